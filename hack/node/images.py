"""Images for a node without a registry: archives in Docker's format, and two small ones of the machine's busybox."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BUSYBOX: Final = "busybox:latest"
PAUSE: Final = "headgate.dev/pause:1"
"""What holds a Pod's namespaces: it sleeps."""
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def references(archive: Path) -> list[str]:
    """Return the names of the images in an archive."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        return [name for image in json.load(manifest) for name in image["RepoTags"]]


def load(archive: Path, run: Callable[..., str]) -> None:
    """Import an archive into containerd; `run` runs a command (with ``given`` as its input) on the node."""
    run("ctr", "--namespace", "k8s.io", "images", "import", "-", given=archive.read_bytes())


def write_basic(archive: Path) -> None:
    """Write the images that every node has: busybox for Jobs, and the one that holds a Pod's namespaces."""
    layer = busybox_layer(Path(shutil.which("busybox") or "busybox"))
    sleep = ["/bin/busybox", "sleep", "2147483647"]
    write(archive, layer, {BUSYBOX: {"Cmd": ["sh"]}, PAUSE: {"Entrypoint": sleep}})


def busybox_layer(program: Path) -> bytes:
    """Return the file system of busybox: the program, a link for each of its commands, and a /tmp for everybody."""
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            add(tar, name, kind=tarfile.DIRTYPE, mode=mode)
        add(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\n", mode=0o644)
        add(tar, "bin/busybox", program.read_bytes())
        for name in sorted(set(listed.stdout.split()) - {"busybox"}):
            add(tar, f"bin/{name}", kind=tarfile.SYMTYPE, target="busybox")
    return held.getvalue()


def write(archive: Path, layer: bytes, images: dict[str, dict[str, Any]]) -> None:
    """Write images of one and the same layer, by name, each with what a container of it runs."""
    manifest = []
    with tarfile.open(archive, "w") as tar:
        add(tar, "layer.tar", layer)
        for name, config in images.items():
            body = {
                "architecture": ARCHITECTURES[platform.machine()],
                "os": "linux",
                "config": {"Env": ["PATH=/bin"], **config},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            }
            data = json.dumps(body, sort_keys=True).encode()
            file = f"{hashlib.sha256(data).hexdigest()}.json"
            add(tar, file, data)
            manifest.append({"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]})
        add(tar, "manifest.json", json.dumps(manifest).encode())


def add(
    tar: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o755,
    target: str = "",
) -> None:
    """Add one file, folder or link, of root and of no date."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.linkname = len(data), kind, mode, target
    tar.addfile(member, io.BytesIO(data))
