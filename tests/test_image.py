"""The operator's image as a file: the same each time, and nothing in it that the operator does not need.

That it works in a cluster is tested on a real node, in `tests/cluster/node`.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, Final

import pytest
from hack.image import build, builder, missing, operator_image, reference
from hack.image.rootfs import PYTHON, SITE, USER

from controlplane import binaries

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(bool(missing()), reason=" ".join(missing()))

MEGABYTE: Final = 10**6
EVERY_MODULE_OF_C: Final = """
import importlib, pathlib, sysconfig
for module in pathlib.Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so"):
    importlib.import_module(module.name.partition(".")[0])
"""
WHO_IS_TRUSTED: Final = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
# As a ClusterPool's Secret may have it, so that what is loaded late is there too.
A_KUBECONFIG: Final = """
import asyncio, json
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config_from_dict
VERSION = "client.authentication.k8s.io/v1"
CREDENTIAL = json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": "t"}})
PROGRAM = {"apiVersion": VERSION, "command": "python", "args": ["-c", f"print({CREDENTIAL!r})"]}
async def load(**user):
    cluster = {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}
    configuration = Configuration()
    await load_kube_config_from_dict({
        "current-context": "context",
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
    }, client_configuration=configuration)
    assert configuration.api_key or configuration.username, user
    await ApiClient(configuration).close()
asyncio.run(load(token="t"))
asyncio.run(load(username="u", password="p"))
asyncio.run(load(exec=PROGRAM))
"""


@pytest.fixture(scope="module")
def archive() -> Path:
    """The image of the sources as they are."""
    return operator_image()


@pytest.fixture(scope="module")
def config(archive: Path) -> dict[str, Any]:
    """What the image says about itself."""
    with tarfile.open(archive) as tar:
        return dict(json.loads(member(tar, manifest(tar)["Config"]))["config"])


@pytest.fixture(scope="module")
def root(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's root file system."""
    where = tmp_path_factory.mktemp("image") / "root"
    with tarfile.open(archive) as tar:
        for name in manifest(tar)["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                layer.extractall(where, filter="fully_trusted")
    return where


def test_two_builds_are_the_same_image(archive: Path, tmp_path: Path) -> None:
    """Also from a clone elsewhere, made at another time by somebody who keeps his files for himself."""
    clone, again = tmp_path / "clone", tmp_path / "again.tar"
    for name in [*builder.inputs(), builder.CHART]:
        copy = clone / name
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(builder.ROOT / name, copy)
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    cache = binaries.cache() / "image"
    with binaries.locked(cache / "lock"):
        build(again, cache, clone)
        if packages(again) != packages(archive):  # the other is from a day when Debian had other packages
            archive = tmp_path / "first.tar"
            build(archive, cache)
    with tarfile.open(archive) as one, tarfile.open(again) as other:
        assert manifest(one) == manifest(other)
    assert archive.read_bytes() == again.read_bytes()


def test_it_is_called_as_the_chart_asks_for_it(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        assert manifest(tar)["RepoTags"] == [f"docker.io/library/{reference()}"]


def test_it_is_small(archive: Path) -> None:
    """A third of it when it is compressed, as registries keep it."""
    assert archive.stat().st_size < 95 * MEGABYTE


def test_it_runs_as_a_user_who_may_nothing(config: dict[str, Any], root: Path) -> None:
    assert config["User"] == f"{USER}:{USER}"
    assert config["WorkingDir"] == "/tmp"
    writable = [p for p in root.rglob("*") if not p.is_symlink() and p.stat().st_mode & stat.S_IWOTH]
    assert writable == [root / "tmp"]
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in root.rglob("*")}
    assert owners == {(0, 0)}


def test_there_is_no_program_but_python(root: Path) -> None:
    folders = ["bin", "usr/bin", "usr/sbin", "sbin", "usr/local/bin", "usr/libexec"]
    programs = {path.name for folder in folders for path in (root / folder).glob("*")}
    assert programs == {f"python{PYTHON}", "python3", "python"}
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    in_machine_code = {path.name for path in files if path.read_bytes()[:4] == b"\x7fELF"}
    assert [name for name in in_machine_code if ".so" not in name] == [f"python{PYTHON}"]
    assert not [path for path in root.rglob("*") if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


def test_nobody_can_install_something(root: Path) -> None:
    names = {path.name for path in (root / SITE).iterdir()} | {
        path.name for path in (root / f"usr/lib/python{PYTHON}").iterdir()
    }
    assert not names & {"pip", "setuptools", "wheel", "ensurepip"}


def test_scanners_find_the_packages_of_debian(root: Path) -> None:
    assert "ID=debian" in (root / "etc/os-release").read_text()
    known = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3t64", f"python{PYTHON}-minimal"} <= known


@pytest.mark.parametrize("script", [EVERY_MODULE_OF_C, A_KUBECONFIG], ids=["modules in C", "kubeconfigs"])
def test_what_is_loaded_late_is_there(root: Path, script: str) -> None:
    inside(root, "python", "-c", script)


def test_public_authorities_are_trusted(root: Path) -> None:
    assert int(inside(root, "python", "-c", WHO_IS_TRUSTED)) > 100


def test_what_it_starts_is_the_operator(root: Path, config: dict[str, Any]) -> None:
    version = reference().partition(":")[2]
    assert inside(root, *config["Entrypoint"], "--version", environment=config["Env"]).strip() == version


def inside(root: Path, *command: str, environment: list[str] | None = None) -> str:
    """Run a program of the image as its user; return what it prints."""
    done = subprocess.run(
        [shutil.which("chroot") or "chroot", f"--userspec={USER}:{USER}", root, *command],
        env=dict(line.split("=", 1) for line in environment or ["PATH=/usr/bin"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def packages(archive: Path) -> dict[str, bytes]:
    """Return what an image says of its Debian packages."""
    with (
        tarfile.open(archive) as tar,
        tarfile.open(fileobj=tar.extractfile(manifest(tar)["Layers"][0])) as layer,
    ):
        return {
            file.name: member(layer, file.name)
            for file in layer
            if file.isfile() and file.name.startswith("var/lib/dpkg/status.d/")
        }


def manifest(tar: tarfile.TarFile) -> dict[str, Any]:
    """Return what is in an archive: one image."""
    (only,) = json.loads(member(tar, "manifest.json"))
    return dict(only)


def member(tar: tarfile.TarFile, name: str) -> bytes:
    """Return a file in an archive."""
    file = tar.extractfile(name)
    assert file is not None, name
    return file.read()
