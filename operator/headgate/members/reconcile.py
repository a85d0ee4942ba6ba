"""What is to be done about a proxy and its copy. Pure: the rules, and nothing else.

They hold whatever happened before, a crash between any two steps included:

- A copy belongs to one admission of one proxy (`headgate.dev/origin-uid`, `headgate.dev/admitted-at`). Any other is
  stale, and goes.
- A copy is made only where none of this admission was seen, nor its start. One that was and is gone was deleted in
  the member: its proxy failed, and nothing runs twice.
- A finished copy stays for as long as its proxy does: its name keeps another from being made.
- Nothing is made for a proxy in a cluster of another pool than its own, although that has the name that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.api.names import REASON_COPY_DELETED
from headgate.members.mirror import mirrored, remains

if TYPE_CHECKING:
    from headgate.kube.client import Json
    from headgate.members.records import Copy, Proxy


@dataclass(slots=True, frozen=True)
class Create:
    """Make the copy."""


@dataclass(slots=True, frozen=True)
class Outwait:
    """Make no copy yet: an older one of that name is being deleted."""


@dataclass(slots=True, frozen=True)
class WallOff:
    """Make no copy at all: the cluster is another pool's."""


@dataclass(slots=True, frozen=True)
class Delete:
    """Delete the copy, and wait until its pods are gone."""


@dataclass(slots=True, frozen=True)
class Cancel:
    """Have the member's Job controller end the copy."""

    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Mirror:
    """Write what the copy says into the proxy's status."""

    patch: Json


@dataclass(slots=True, frozen=True)
class Finish:
    """End the proxy without a copy."""

    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Reset:
    """Have the status of a proxy that waits again say so."""

    message: str


Action = Create | Outwait | WallOff | Delete | Cancel | Mirror | Finish | Reset


def due_in_member(
    proxy: Proxy | None, copy: Copy | None, cluster: str, *, walled_off: bool = False
) -> Action | None:
    """Return what is to be done in a cluster about a name there, or about the proxy that was admitted to it.

    Nothing may be missing from the view of the cluster: `copy` None means that there is none. `walled_off`: it is of
    another pool than the proxy.
    """
    here = proxy is not None and proxy.cluster == cluster and not walled_off
    if proxy is None or proxy.deleting or (copy is not None and not copy.is_of(proxy)):
        return _cleared(proxy if here else None, copy)
    if not here:
        if proxy.cluster == cluster and copy is None and not proxy.finished:
            return WallOff()
        # A copy of this very admission is where it belongs: the cluster is met here under a second name.
        return None
    if proxy.finished:
        return None if copy is None or copy.finished else _cleared(proxy, copy)
    if copy is None or (copy.gone and not copy.finished):
        return _without_copy(proxy, cluster, had_one=proxy.started or copy is not None)
    if copy.deleting and not copy.finished:
        return None
    cancellation = proxy.cancellation
    if cancellation is not None and not copy.finished and not copy.decided:
        return Cancel(cancellation.get("reason") or "", cancellation.get("message") or "")
    patch = mirrored(proxy.status, copy.status, completions=proxy.completions)
    return None if patch is None else Mirror(patch)


def due_at_hub(proxy: Proxy, *, abandoned: bool) -> Action | None:
    """Return what is to be done about a proxy whatever its cluster says; `abandoned`: nobody waits for that one."""
    if proxy.finished or proxy.deleting:
        return None
    if proxy.cancellation is not None and (proxy.cluster is None or abandoned):
        return _as_wanted(proxy.cancellation)
    if proxy.suspended and remains(proxy.status):
        place = f'cluster "{proxy.requeued_from}"' if proxy.requeued_from else "its cluster"
        return Reset(f"sent back to its queue: {place} is lost")
    return None


def _cleared(proxy: Proxy | None, copy: Copy | None) -> Action | None:
    """Return how a copy goes that is not to be there; `proxy` if it is the one that waits for its name."""
    if copy is None or copy.gone:
        return None
    if not copy.deleting:
        return Delete()
    if proxy is None or proxy.deleting or proxy.finished:
        return None
    # As long as the name is taken, it has no copy of its own.
    return Outwait() if proxy.cancellation is None else _as_wanted(proxy.cancellation)


def _without_copy(proxy: Proxy, cluster: str, *, had_one: bool) -> Action:
    if proxy.cancellation is not None:
        return _as_wanted(proxy.cancellation)
    if had_one:
        return Finish(
            REASON_COPY_DELETED,
            f'the Job that ran in cluster "{cluster}" was deleted there before it ended',
        )
    return Create()


def _as_wanted(cancellation: Json) -> Finish:
    return Finish(cancellation.get("reason") or "", cancellation.get("message") or "")
