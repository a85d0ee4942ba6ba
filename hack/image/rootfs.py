"""What is in the operator's image, file by file: the Dockerfile's build stage runs this, in Debian, as root.

The image has no package manager, no shell and nothing that starts another program: only the Python of Debian with the
libraries it loads, the packages of requirements.lock, and Headgate. So Debian's packages are not installed but
unpacked, each by name, without the scripts and the dependencies that would bring a shell in. Nothing here may depend
on the time, the host or an order that is not fixed: two builds from the same packages are the same image.

Used in two steps, so that a changed source file does not begin with Debian again:

    rootfs.py debian ROOT    Debian's part
    rootfs.py finish ROOT    after pip and COPY: what is never loaded goes, what is loaded is compiled and tried

It runs with nothing but the standard library, in the build stage only.
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

PYTHON: Final = "3.13"
LIBRARY: Final = f"usr/lib/python{PYTHON}"
SITE: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
USER: Final = 65532

PACKAGES: Final = (
    "base-files",
    f"python{PYTHON}-minimal",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    "libc6",
    "libgcc-s1",
    "libssl3t64",
    "libzstd1",
    "libexpat1",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
    "libuuid1",
    "zlib1g",
)
KEPT: Final = (
    "bin",
    "lib",
    "lib64",
    "usr/lib/os-release",
    "etc/os-release",
    "etc/debian_version",
    "usr/lib64/ld-linux*",
    "usr/lib/*-linux-gnu*/*.so*",
    f"usr/bin/python{PYTHON}",
    f"{LIBRARY}/**/*",
    "usr/share/doc/*/copyright",
)
# Modules of the standard library whose own libraries are left out, or that are for a person at a keyboard.
DROPPED: Final = (
    f"{LIBRARY}/lib-dynload/_curses*",
    f"{LIBRARY}/lib-dynload/_dbm*",
    f"{LIBRARY}/lib-dynload/_sqlite3*",
    f"{LIBRARY}/lib-dynload/readline*",
    f"{LIBRARY}/curses",
    f"{LIBRARY}/dbm",
    f"{LIBRARY}/ensurepip",
    f"{LIBRARY}/idlelib",
    f"{LIBRARY}/pydoc_data",
    f"{LIBRARY}/sqlite3",
    f"{LIBRARY}/test",
    f"{LIBRARY}/turtle*",
)
FILES: Final = {
    "etc/passwd": f"root:x:0:0:root:/:/nologin\nheadgate:x:{USER}:{USER}:headgate:/tmp:/nologin\n",
    "etc/group": f"root:x:0:\nheadgate:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
LINKS: Final = {
    "usr/bin/python3": f"python{PYTHON}",
    "usr/bin/python": f"python{PYTHON}",
    # where OpenSSL looks when a kubeconfig names no certificate authority
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
}
# Modules that are loaded only when they are used, and next to none of them is: the client's generated classes, most of
# it, and Rich's colours for source code.
ON_DEMAND: Final = (
    f"{SITE}/kubernetes/client/api",
    f"{SITE}/kubernetes/client/models",
    f"{SITE}/kubernetes/aio/client/api",
    f"{SITE}/kubernetes/aio/client/models",
    f"{SITE}/pygments/lexers",
)
# Everything the operator can load, then the names of what was loaded.
LOAD: Final = """
import importlib, pkgutil, sys
import headgate
for module in pkgutil.walk_packages(headgate.__path__, "headgate."):
    if not module.name.endswith(".__main__") or module.name == "headgate.__main__":
        importlib.import_module(module.name)
print(*sorted(getattr(module, "__file__", None) or "" for module in sys.modules.values()), sep="\\n")
"""


def debian(root: Path) -> None:
    """Put Debian's part into an empty directory."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
        sys.exit(
            f"the build stage has Python {sys.version_info.major}.{sys.version_info.minor}, the image is to have "
            f"{PYTHON}: change PYTHON in {Path(__file__).name}, or take another Debian"
        )
    with TemporaryDirectory() as work:
        subprocess.run(
            ["apt-get", "download", "--quiet", "--option=APT::Sandbox::User=root", *PACKAGES],
            cwd=work,
            check=True,
        )
        for archive in sorted(Path(work).glob("*.deb")):
            unpack(archive, root)
    for pattern in DROPPED:
        for path in root.glob(pattern):
            remove(path)
    for name, content in FILES.items():
        write(root / name, content)
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    authorities = "etc/ssl/certs/ca-certificates.crt"
    write(root / authorities, (Path("/") / authorities).read_text())
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def unpack(archive: Path, root: Path) -> None:
    """Copy what is kept of a package, and note the package where scanners for known faults look for it."""
    with TemporaryDirectory() as work:
        subprocess.run(["dpkg-deb", "--extract", archive, work], check=True)
        for pattern in KEPT:
            for path in sorted(Path(work).glob(pattern)):
                place = root / path.relative_to(work)
                if path.is_dir() and not path.is_symlink():
                    place.mkdir(parents=True, exist_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, place, follow_symlinks=False)
    control = subprocess.run(
        ["dpkg-deb", "--field", archive], check=True, capture_output=True, text=True
    ).stdout
    write(root / "var/lib/dpkg/status.d" / archive.name.partition("_")[0], control)


def finish(root: Path) -> None:
    """Remove what is never loaded, compile the rest, and see that the operator can be loaded in there."""
    for leftover in [
        root / SITE / "bin",
        *sorted(root.rglob("__pycache__")),
        *sorted((root / SITE).glob("*/tests")),
    ]:
        remove(leftover)
    for path in sorted(root.rglob("*")):  # what was copied has the modes of somebody's clone
        if not path.is_symlink() and path != root / "tmp":
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    used = loaded(root)
    for folder in ON_DEMAND:
        for path in sorted((root / folder).glob("[!_]*.py")):
            if f"/{path.relative_to(root)}" not in used:
                path.unlink()
    subprocess.run(["strip", "--strip-unneeded", *sorted(root.rglob("*.so"))], check=True)
    for folder in (LIBRARY, SITE):
        done = compileall.compile_dir(
            root / folder,
            quiet=1,
            stripdir=str(root),
            prependdir="/",
            # not by the time of the source, which is another one in each build
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            sys.exit(f"{folder}: not everything compiles")
    if loaded(root) != used:
        sys.exit("other modules are loaded than before the image was made smaller: look at ON_DEMAND")


def loaded(root: Path) -> set[str]:
    """Return the files of the modules that the operator loads, having loaded them in there."""
    done = subprocess.run(
        ["chroot", root, "/usr/bin/python", "-B", "-c", LOAD], check=True, stdout=subprocess.PIPE, text=True
    )
    return set(done.stdout.split("\n"))


def write(path: Path, content: str) -> None:
    """Write a file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    {"debian": debian, "finish": finish}[sys.argv[1]](Path(sys.argv[2]))
