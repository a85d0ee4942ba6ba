"""What the watches say of proxies and copies, and whose turn it is because of that. No I/O.

Facts about a name put it into the lanes of those who may have to do something about it: the hub's, or a member's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.members.lane import Lane
from headgate.members.reconcile import due_at_hub, due_in_member
from headgate.members.records import NO_STATUS, copy_from, proxy_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from headgate.kube.client import Json
    from headgate.members.reconcile import Action
    from headgate.members.records import Copy, Key, Proxy


class MemberView:
    """What is known of the copies in one member."""

    def __init__(self, name: str, pool: str = "") -> None:
        self.name = name
        self.pool = pool
        """The pool for which it is reached."""
        self.copies: dict[Key, Copy] = {}
        self.lane = Lane()
        self.listed = False
        """Whether all copies there are known."""
        self.clearing = False
        """Whether stale copies have to go before any is made."""


class View:
    """Every proxy of the hub, and every copy in the members, as last seen."""

    def __init__(
        self, pool_of: Callable[[str, str | None], str], is_abandoned: Callable[[str, str], bool]
    ) -> None:
        """Start with nothing.

        `pool_of` tells the pool of a Job from its queue and from what is written on it, `is_abandoned` whether nobody
        waits for a pool's cluster any more.
        """
        self._pool_of = pool_of
        self._is_abandoned = is_abandoned
        self.lane = Lane()
        """What is due in the hub, whatever the members say."""
        self.proxies: dict[Key, Proxy] = {}
        self.admitted: dict[str, dict[Key, None]] = {}
        """The live proxies of each cluster."""
        self._members: dict[str, MemberView] = {}
        self._keys: dict[str, Key] = {}
        """Of each proxy, by its UID."""

    def job_seen(self, raw: Json) -> None:
        """Take in a version of a proxy, in whatever state: raw JSON of a Job whose managedBy is Headgate's."""
        seen = proxy_from(raw)
        known = self.proxies.get(seen.key)
        if known is not None and known.resource_version >= seen.resource_version:
            return
        if known is not None:
            self._drop(known)
        self.proxies[seen.key] = seen
        self._keys[seen.uid] = seen.key
        if seen.cluster is not None and not seen.finished:
            self.admitted.setdefault(seen.cluster, {})[seen.key] = None
        self.touch(seen.key)

    def job_gone(self, uid: str) -> None:
        """Take note that a Job of the hub was deleted; one that is no proxy is ignored."""
        key = self._keys.get(uid)
        if key is not None:
            self._drop(self.proxies.pop(key))
            self.touch(key)

    def copies_listed(self, cluster: str, raws: list[Json], *, anew: bool = False) -> None:
        """Take in all copies that are in a member now; what the list lacks is gone.

        `anew`: nothing else is asked of that member meanwhile, so that the list is the truth, whatever was known. A
        member that was restored from a backup has versions that are lower than those that were seen.
        """
        member = self.member(cluster)
        before, member.copies = member.copies, {}
        for raw in raws:
            copy = copy_from(raw)
            known = before.pop(copy.key, None)
            if not anew and known is not None and known.uid == copy.uid and not known.gone:
                known.assumed = False
                if known.resource_version >= copy.resource_version:
                    copy = known
            member.copies[copy.key] = copy
        for copy in before.values():
            if not copy.assumed:
                self._keep_gone(member, copy)
        member.listed = True
        if anew:
            member.clearing = bool(self.stale(member))
        member.lane.forgive()
        for key in (*before, *member.copies, *self.admitted.get(cluster, ())):
            member.lane.add(key)

    def copy_seen(self, cluster: str, raw: Json) -> None:
        """Take in a version of a copy in a member."""
        self._take_copy(self.member(cluster), copy_from(raw))

    def copy_gone(self, cluster: str, raw: Json) -> None:
        """Take note that a copy in a member was deleted."""
        member = self.member(cluster)
        copy = copy_from(raw)
        known = member.copies.get(copy.key)
        if known is None or known.uid == copy.uid:
            member.copies.pop(copy.key, None)
            self._keep_gone(member, copy)
        member.lane.add(copy.key)

    def join(self, cluster: str, pool: str) -> None:
        """Take note for which pool a cluster is reached from now on; of another one of its name nothing is kept."""
        if self.member(cluster).pool != pool:
            self.forget(cluster)
            self._members[cluster] = MemberView(cluster, pool)

    def forget(self, cluster: str) -> None:
        """Forget what is in a cluster that is in no pool any more; it is listed anew if it comes back."""
        member = self._members.pop(cluster, None)
        if member is not None:
            member.lane.clear()

    def assume(self, member: MemberView, copy: Copy) -> None:
        """Take in a copy that was just made, or met: a list that lacks it is older."""
        copy.assumed = True
        self._take_copy(member, copy)
        member.lane.add(copy.key)

    def correct(self, member: MemberView, copy: Copy) -> None:
        """Take in a copy that is there although it was seen to go."""
        member.copies.pop(copy.key, None)
        self.assume(member, copy)

    def vanished(self, member: MemberView, copy: Copy) -> None:
        """Forget a stale copy of which the member says that it is not there."""
        known = member.copies.get(copy.key)
        if known is not None and known.uid == copy.uid:
            del member.copies[copy.key]
            member.lane.add(copy.key)

    # ---- who has to look --------------------------------------------------------------------------------------

    def member(self, cluster: str) -> MemberView:
        """Return what is known of a member, which may be nothing yet."""
        member = self._members.get(cluster)
        if member is None:
            member = self._members[cluster] = MemberView(cluster)
        return member

    def touch(self, key: Key) -> None:
        """Have everybody look at a name for whom something may be due."""
        proxy = self.proxies.get(key)
        if proxy is not None and self.due_at_hub(proxy) is not None:
            self.lane.add(key)
        for member in self._members.values():
            if key in member.copies or (proxy is not None and proxy.cluster == member.name):
                member.lane.add(key)

    def touch_all(self, cluster: str) -> None:
        """Have everybody look at the proxies of a cluster."""
        for key in self.admitted.get(cluster, ()):
            self.touch(key)

    def has(self, uid: str) -> bool:
        """Whether there is such a proxy."""
        return uid in self._keys

    # ---- what is due ------------------------------------------------------------------------------------------

    def due_at_hub(self, proxy: Proxy) -> Action | None:
        """Return what is to be done about a proxy whatever its cluster says."""
        abandoned = (
            proxy.cluster is not None
            and proxy.cancellation is not None
            and self._is_abandoned(self._pool_of(proxy.queue, proxy.pool), proxy.cluster)
        )
        return due_at_hub(proxy, abandoned=abandoned)

    def due_in(self, member: MemberView, key: Key) -> tuple[Proxy | None, Copy | None, Action | None]:
        """Return the proxy and the copy of a name, and what is to be done about them in a member."""
        proxy, copy = self.proxies.get(key), member.copies.get(key)
        if copy is not None and copy.gone and not self._is_untold(copy, member):
            del member.copies[key]
            copy = None
        action = self.due_between(proxy, copy, member)
        if action is None and proxy is not None and proxy.finished and copy is not None and copy.finished:
            # Nothing is compared with it any more.
            copy.status = NO_STATUS
        return proxy, copy, action

    def due_between(self, proxy: Proxy | None, copy: Copy | None, member: MemberView) -> Action | None:
        """Return what is to be done in a member if a proxy and a copy of one name are like this."""
        walled_off = proxy is not None and not self._is_of_pool(proxy, member)
        return due_in_member(proxy, copy, member.name, walled_off=walled_off)

    def stale(self, member: MemberView) -> list[Copy]:
        """Return the copies in a member that are to go; they may be on their way already."""
        return [copy for copy in member.copies.values() if self._is_stale(copy, member)]

    def _is_stale(self, copy: Copy, member: MemberView) -> bool:
        proxy = self.proxies.get(copy.key)
        if proxy is None or proxy.deleting or not copy.is_of(proxy):
            return not copy.gone
        return self._is_at(proxy, member) and proxy.finished and not copy.finished

    def _is_of_pool(self, proxy: Proxy, member: MemberView) -> bool:
        return self._pool_of(proxy.queue, proxy.pool) == member.pool

    def _is_at(self, proxy: Proxy, member: MemberView) -> bool:
        return proxy.cluster == member.name and self._is_of_pool(proxy, member)

    # ---- records ----------------------------------------------------------------------------------------------

    def _drop(self, proxy: Proxy) -> None:
        del self._keys[proxy.uid]
        if proxy.cluster is not None:
            admitted = self.admitted.get(proxy.cluster, {})
            admitted.pop(proxy.key, None)
            if not admitted:
                self.admitted.pop(proxy.cluster, None)

    def _take_copy(self, member: MemberView, copy: Copy) -> None:
        known = member.copies.get(copy.key)
        if known is not None and known.uid == copy.uid:
            known.assumed = copy.assumed = known.assumed and copy.assumed
            if known.gone or known.resource_version >= copy.resource_version:
                return
        member.copies[copy.key] = copy
        member.lane.add(copy.key)

    def _keep_gone(self, member: MemberView, copy: Copy) -> None:
        """Remember a copy that was deleted for as long as its proxy has to be told."""
        if self._is_untold(copy, member):
            copy.gone = True
            member.copies[copy.key] = copy

    def _is_untold(self, copy: Copy, member: MemberView) -> bool:
        proxy = self.proxies.get(copy.key)
        return proxy is not None and self._is_at(proxy, member) and not proxy.finished and copy.is_of(proxy)
