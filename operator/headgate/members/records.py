"""What is remembered of proxies and copies: little, because finished ones stay for as long as people want them."""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Final

from headgate.api import names
from headgate.members.mirror import COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, true_condition

if TYPE_CHECKING:
    from headgate.kube.client import Json

Key = tuple[str, str]
"""Namespace and name: a proxy and its copy have the same."""

NO_STATUS: Final[Json] = {}


@dataclass(slots=True, eq=False)
class Proxy:
    """A Job of the hub that runs elsewhere, as last seen."""

    uid: str
    key: Key
    resource_version: int
    queue: str
    pool: str | None
    """The pool that the API server wrote on it; None where it came before the policy of its queue."""
    cluster: str | None
    """Where it was admitted to; None while it waits."""
    admitted_at: str | None
    """Which admission that was: no two have the same."""
    requeued_from: str | None
    suspended: bool
    deleting: bool
    finished: bool
    completions: int | None
    status: Json
    """Its status as the API server has it, of a live one."""
    written: bool = False
    """A write at this version went out, or met a conflict: a later version is on its way."""

    @property
    def cancellation(self) -> Json | None:
        """The condition with which the hub wants it to end, of a live one."""
        return true_condition(self.status, FAILURE_TARGET)

    @property
    def started(self) -> bool:
        """Whether a copy of this admission was seen to start: between two admissions this is reset."""
        return bool(self.status.get("startTime"))


@dataclass(slots=True, eq=False)
class Copy:
    """A Job in a member that carries this hub's label, as last seen."""

    uid: str
    key: Key
    resource_version: int
    origin_uid: str | None
    admitted_at: str | None
    deleting: bool
    finished: bool
    status: Json
    gone: bool = False
    """It was deleted, which its proxy does not know yet, nor perhaps how it ended."""
    assumed: bool = False
    """It was made or met, and no list or watch has shown it yet: a list may be older."""
    written: bool = False
    """A write at this version went out, or met a conflict: a later version is on its way."""

    @property
    def decided(self) -> bool:
        """Whether it is known how it ends."""
        return true_condition(self.status, FAILURE_TARGET, SUCCESS_CRITERIA_MET) is not None

    def is_of(self, proxy: Proxy) -> bool:
        """Whether it was made for this admission of a proxy."""
        return self.origin_uid == proxy.uid and self.admitted_at == proxy.admitted_at


def key_of(raw: Json) -> Key:
    """Return namespace and name of a Job."""
    return intern(raw["metadata"]["namespace"]), raw["metadata"]["name"]


def proxy_from(raw: Json) -> Proxy:
    """Return the record of a hub's Job from the API server's JSON."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or NO_STATUS
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    finished = _is_finished(status)
    suspended = bool(spec.get("suspend"))
    admitted_at, cluster = (
        annotations.get(names.ADMITTED_AT_ANNOTATION),
        annotations.get(names.CLUSTER_ANNOTATION),
    )
    if suspended or not admitted_at or not cluster:
        admitted_at = cluster = None
    return Proxy(
        uid=metadata["uid"],
        key=key_of(raw),
        resource_version=int(metadata["resourceVersion"]),
        queue=intern(labels.get(names.QUEUE_LABEL, "")),
        pool=_interned(labels.get(names.POOL_LABEL)),
        cluster=_interned(cluster),
        admitted_at=admitted_at,
        requeued_from=_interned(annotations.get(names.REQUEUED_FROM_ANNOTATION)),
        suspended=suspended,
        deleting="deletionTimestamp" in metadata,
        finished=finished,
        completions=spec.get("completions") if spec.get("completionMode") == "Indexed" else None,
        status=NO_STATUS if finished else status,
    )


def copy_from(raw: Json) -> Copy:
    """Return the record of a member's Job from its API server's JSON."""
    metadata, status = raw["metadata"], raw.get("status") or NO_STATUS
    return Copy(
        uid=metadata["uid"],
        key=key_of(raw),
        resource_version=int(metadata["resourceVersion"]),
        origin_uid=(metadata.get("labels") or {}).get(names.ORIGIN_UID_LABEL),
        admitted_at=(metadata.get("annotations") or {}).get(names.ADMITTED_AT_ANNOTATION),
        deleting="deletionTimestamp" in metadata,
        finished=_is_finished(status),
        status=status,
    )


def _is_finished(status: Json) -> bool:
    return true_condition(status, COMPLETE, FAILED) is not None


def _interned(word: str | None) -> str | None:
    return None if word is None else intern(word)
