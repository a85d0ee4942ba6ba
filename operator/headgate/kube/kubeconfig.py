"""From a kubeconfig, or the Pod that this runs in, to a configuration of the official client.

Reading files, merging them and getting credentials is the official client's. It leaves three things to whoever uses
it: which namespace the chosen context has, what a person can do about a file that lacks something, and that a plugin
for credentials failed. That it only logs, and would go on as an anonymous user.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml
from kubernetes.aio import client as official
from kubernetes.aio.config import ConfigException, kube_config, load_incluster_config

if TYPE_CHECKING:
    from collections.abc import Iterator

POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
VARIABLE: Final = "KUBECONFIG"
"""Names the files that are read where none is given."""

_broken: ContextVar[list[str] | None] = ContextVar("_broken", default=None)


class Access(NamedTuple):
    """What leads to an API server."""

    configuration: official.Configuration
    namespace: str
    """The namespace of the context, or of the Pod; empty where it has none."""


async def load(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """Read a kubeconfig (by default KUBECONFIG, or ~/.kube/config), or else what the Pod has that this runs in.

    Raises `kubernetes.aio.config.ConfigException` with words for people where there is neither, or something is wrong.
    """
    files = _files(kubeconfig)
    if not files and kubeconfig:
        raise ConfigException(_without_content(kubeconfig))
    where = ", ".join(files)
    try:
        merged = _merged(files)
        wanted = context or merged.get("current-context")
        contexts = [one["name"] for one in merged.get("contexts") or ()]
        if wanted in contexts:
            return await _of_context(merged, wanted)
    except ConfigException as error:
        raise ConfigException(f"the kubeconfig {where} cannot be used: {error}") from error
    except (OSError, yaml.YAMLError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigException(f"the kubeconfig {where} cannot be read: {error}") from error
    if not kubeconfig and not context and (access := _of_pod()) is not None:
        return access
    raise ConfigException(_without_context(where, wanted, contexts))


def _files(kubeconfig: str | None) -> list[str]:
    """Return the files that are there and say something: the official client stumbles over others."""
    given = kubeconfig or os.environ.get(VARIABLE) or str(Path.home() / ".kube" / "config")
    paths = [Path(path).expanduser() for path in given.split(os.pathsep) if path]
    return [str(path) for path in paths if path.exists() and _says_something(path)]


def _says_something(path: Path) -> bool:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        # What is wrong with it is said when it is read.
        return True
    return any(line.strip() and not line.lstrip().startswith(("#", "---")) for line in lines)


def _merged(files: list[str]) -> Any:
    """Return one kubeconfig from several, as kubectl merges them."""
    return kube_config.KubeConfigMerger(os.pathsep.join(files)).config.value if files else {}


async def _of_context(merged: Any, context: str) -> Access:
    node = kube_config.ConfigNode("kubeconfig", merged)
    loader = kube_config.KubeConfigLoader(config_dict=node, config_base_path=None, active_context=context)
    configuration = official.Configuration()
    with _noticed():
        await loader.load_and_set(configuration)
    return Access(configuration, loader.current_context["context"].get("namespace") or "")


def _of_pod() -> Access | None:
    """Return what a Pod has; None where this is none."""
    configuration = official.Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException:
        return None
    try:
        return Access(configuration, POD_NAMESPACE.read_text().strip())
    except OSError:
        return Access(configuration, "")


def _without_content(kubeconfig: str) -> str:
    is_there = Path(kubeconfig).expanduser().exists()
    return f"the kubeconfig {kubeconfig} is empty" if is_there else f"there is no kubeconfig {kubeconfig}"


def _without_context(where: str, wanted: str | None, contexts: list[str]) -> str:
    if not where:
        return f"there is no kubeconfig ({VARIABLE}, ~/.kube/config), and this is no Pod"
    known = f"; it has: {', '.join(contexts)}" if contexts else "; it has none"
    if wanted:
        return f'the kubeconfig {where} has no context "{wanted}"{known}'
    return f"the kubeconfig {where} has no current context, and none was chosen{known}"


class _Errors(logging.Filter):
    """Keeps what the official client logs of a load that is under way, and lets everything else pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        broken = _broken.get()
        if broken is None or record.levelno < logging.ERROR:
            return True
        broken.append(record.getMessage())
        return False


kube_config.logger.addFilter(_Errors())


@contextmanager
def _noticed() -> Iterator[None]:
    """Raise `ConfigException` where a plugin for credentials failed inside."""
    broken: list[str] = []
    token = _broken.set(broken)
    try:
        yield
    finally:
        _broken.reset(token)
    if broken:
        raise ConfigException(f"getting credentials: {'; '.join(broken)}")
