"""What must hold between a Job in the hub and its copies in the members, checked from the records of all of them.

All test clusters keep their objects in one etcd, so revisions are numbered across them: a revision of the hub and one
of a member say which of the two was first.

A copy may come late: it is asked for when the Job was admitted, and until it is there the Job may be sent back,
cancelled or deleted. It then has to go. So it is right if its admission ever was one of its Job's, to its cluster; and
what is left at rest is `unsettled`'s to say.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER, ENVIRONMENT, outcome, placement_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.cluster.harness.recorder import Seen

Json = dict[str, Any]

HUB = "headgate.dev/hub"
ORIGIN = "headgate.dev/origin-uid"
REQUEUED_FROM = "headgate.dev/requeued-from"
MANAGED_BY = "headgate.dev/dispatcher"
HEADGATE = "headgate.dev/"
OWN_ENDS = ("Canceled", "TimedOut", "NameTaken", "CopyDeleted", "CopyRefused", "QueueFull", "DependencyFailed",
            "DependencyCycle", "WrongManager")  # fmt: skip
"""Reasons for which Headgate ends a Job by itself, also where there is no copy, or one that runs."""
END = ("succeeded", "failed", "startTime", "completionTime", "completedIndexes", "failedIndexes")


@dataclass
class Proxy:
    """What the record says of a Job of the hub so far."""

    body: Json
    admissions: dict[str, str] = field(default_factory=dict)
    """The cluster of each `admitted-at` it ever had."""
    left: set[str] = field(default_factory=set)
    """The clusters it was ever sent back from."""
    gone: bool = False


@dataclass
class Copy:
    """What the record says of one copy so far."""

    cluster: str
    body: Json
    gone: bool = False

    @property
    def live(self) -> bool:
        return not self.gone and outcome(self.body) is None

    @property
    def where(self) -> str:
        return f"copy {name_of(self.body)} in cluster {self.cluster}"


class Copies:
    """Replays the records of the hub and of its members, revision by revision."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.proxies: dict[str, Proxy] = {}
        self.copies: dict[str, dict[str, Copy]] = defaultdict(dict)
        """Every copy there ever was of a Job of the hub: by its UID, then by the copy's."""
        self.wrong: list[str] = []

    def check(self, hub: Iterable[Seen], members: Mapping[str, Iterable[Seen]]) -> list[str]:
        """Return what the records show to be wrong, a sentence each."""
        records = {"": hub, **members}
        merged = [(seen.revision, cluster, seen) for cluster, record in records.items() for seen in record]
        for _, cluster, seen in sorted(merged, key=lambda entry: entry[:2]):
            if seen.body["metadata"].get("namespace") != self._namespace:
                continue
            if cluster:
                self._in_member(cluster, seen)
            elif seen.kind == "Pod" and owners_of(seen.body) & self.proxies.keys():
                self.wrong.append(f"revision {seen.revision}: Pod {seen.name} is in the hub")
            elif seen.kind == "Job":
                self._in_hub(seen)
        return self.wrong

    def _in_hub(self, seen: Seen) -> None:
        if seen.body["spec"].get("managedBy") != MANAGED_BY:
            return
        proxy = self.proxies.setdefault(seen.uid, Proxy(seen.body))
        before = outcome(proxy.body)
        proxy.body, proxy.gone = seen.body, seen.deleted
        annotations = annotations_of(seen.body)
        if stamp := annotations.get(ADMITTED_AT):
            proxy.admissions[stamp] = annotations[CLUSTER]
        if origin := annotations.get(REQUEUED_FROM):
            proxy.left.add(origin)
        after = outcome(seen.body)
        if after and not before and not seen.relisted:
            self._end(seen, after, annotations.get(ADMITTED_AT))

    def _end(self, seen: Seen, how: str, stamp: str | None) -> None:
        """A Job ends as its copy did, or because Headgate ends it."""
        if how != "succeeded" and ended(seen.body)["reason"] in OWN_ENDS:
            return
        copies = [
            c for c in self.copies[seen.uid].values() if annotations_of(c.body).get(ADMITTED_AT) == stamp
        ]
        if not any(outcome(copy.body) == how for copy in copies):
            self.wrong.append(f"revision {seen.revision}: Job {seen.name} has {how}, and no copy of it has")

    def _in_member(self, cluster: str, seen: Seen) -> None:
        origin = labels_of(seen.body).get(ORIGIN)
        if origin is None:
            return
        copies = self.copies[origin]
        if seen.uid in copies:
            copies[seen.uid].body, copies[seen.uid].gone = seen.body, seen.deleted
            return
        copy = copies[seen.uid] = Copy(cluster, seen.body, gone=seen.deleted)
        if not seen.relisted:
            self._made(f"revision {seen.revision}: {copy.where}", copy, copies.values())

    def _made(self, where: str, copy: Copy, copies: Iterable[Copy]) -> None:
        origin = labels_of(copy.body)[ORIGIN]
        stamp = annotations_of(copy.body).get(ADMITTED_AT, "")
        proxy = self.proxies.get(origin)
        if proxy is None:
            self.wrong.append(f"{where} is made for a Job that the hub never had")
            return
        if proxy.admissions.get(stamp) != copy.cluster:
            self.wrong.append(f"{where} is made for the admission of {stamp!r}: {proxy.admissions}")
        for other in copies:
            if other is copy:
                continue
            if annotations_of(other.body).get(ADMITTED_AT) == stamp:
                self.wrong.append(f"{where} is made again: admission {stamp} has had one in {other.cluster}")
            # What was asked for before a cluster was lost may still arrive there; where it is wanted, others are gone.
            late = copy.cluster in proxy.left and stamp != annotations_of(proxy.body).get(ADMITTED_AT)
            if other.live and other.cluster not in proxy.left and not late:
                self.wrong.append(f"{where} is made while another one is live in cluster {other.cluster}")
        self.wrong += [f"{where} {problem}" for problem in unlike(copy.body, proxy.body)]

    def ran(self, uid: str) -> list[Copy]:
        """Return the copies of a Job that ever had a Pod."""
        counts = ("active", "succeeded", "failed")
        return [
            copy
            for copy in self.copies[uid].values()
            if any((copy.body.get("status") or {}).get(name) for name in counts)
        ]


def unlike(copy: Json, proxy: Json) -> list[str]:
    """Return where a new copy is not what its Job says."""
    wrong = []
    labels, spec = labels_of(copy), copy["spec"]
    wrong += [
        f"has the label {name}" for name in labels if name in ("headgate.dev/queue", "headgate.dev/pool")
    ]
    wrong += [
        f"has the annotation {name}"
        for name in annotations_of(copy)
        if name.startswith(HEADGATE) and name != ADMITTED_AT
    ]
    wrong += [f"has spec.{name}" for name in ("managedBy", "ttlSecondsAfterFinished") if spec.get(name)]
    if spec.get("suspend"):
        wrong.append("is suspended")
    if copy["metadata"].get("ownerReferences") or copy["metadata"].get("finalizers"):
        wrong.append("has an owner or a finalizer")
    theirs = proxy["spec"]
    differs = [
        name
        for name in {*spec, *theirs}
        - {"managedBy", "ttlSecondsAfterFinished", "suspend", "selector", "template"}
        if spec.get(name) != theirs.get(name)
    ]
    wrong += [f"has spec.{name} {spec.get(name)}, its Job {theirs.get(name)}" for name in differs]
    pod, expected = spec["template"]["spec"], {**theirs["template"]["spec"]}
    if ENVIRONMENT in annotations_of(proxy):
        expected.update(placement_of(proxy))
    for name in {*pod, *expected}:
        if (pod.get(name) or None) != (expected.get(name) or None):
            wrong.append(f"has Pods with {name} {pod.get(name)}, its Job says {expected.get(name)}")
    return wrong


def unsettled(jobs: Iterable[Json], copies: Mapping[str, Iterable[Json]]) -> list[str]:
    """Return what is not in step, of the Jobs of the hub and of the copies by cluster: at rest, nothing is."""
    proxies = {body["metadata"]["uid"]: body for body in jobs if body["spec"].get("managedBy") == MANAGED_BY}
    found: dict[str, list[Copy]] = defaultdict(list)
    wrong = []
    for cluster, bodies in copies.items():
        for body in bodies:
            if origin := labels_of(body).get(ORIGIN):
                found[origin].append(Copy(cluster, body))
    for origin, there in found.items():
        if origin not in proxies:
            wrong += [f"{copy.where} is left without its Job" for copy in there]
            continue
        proxy = proxies[origin]
        now = tuple(annotations_of(proxy).get(name) for name in (ADMITTED_AT, CLUSTER))
        wrong += [
            f"{copy.where} is left of another admission"
            for copy in there
            if (annotations_of(copy.body).get(ADMITTED_AT), copy.cluster) != now
        ]
    for uid, proxy in proxies.items():
        admitted, how = ADMITTED_AT in annotations_of(proxy), outcome(proxy)
        name = name_of(proxy)
        if len(found[uid]) > 1:
            wrong.append(f"Job {name} has {len(found[uid])} copies")
        if admitted and not how and not found[uid]:
            wrong.append(f"Job {name} is active without a copy")
        wrong += [
            f"Job {name} {problem}" for copy in found[uid][:1] for problem in unmirrored(proxy, copy.body)
        ]
    return wrong


def unmirrored(proxy: Json, copy: Json) -> list[str]:
    """Return where a Job's status is not its copy's."""
    theirs, ours = copy.get("status") or {}, proxy.get("status") or {}
    if outcome(copy) and outcome(proxy) and ended(proxy)["reason"] in OWN_ENDS:
        return []  # What it was cancelled for may come too late for the copy.
    if outcome(proxy) != outcome(copy):
        return [f"has {outcome(proxy)}, its copy {outcome(copy)}"]
    # No count of a Job goes down, also when it starts anew.
    again = REQUEUED_FROM in annotations_of(proxy)
    names = () if again else END if outcome(copy) else (*END, "active", "ready")
    wrong = [
        f"has status.{name} {ours.get(name)}, its copy {theirs.get(name)}"
        for name in names
        if (ours.get(name) or 0) != (theirs.get(name) or 0)
    ]
    if outcome(copy):
        told = [
            {key: ended(body).get(key) for key in ("type", "reason", "message")} for body in (proxy, copy)
        ]
        if told[0] != told[1]:
            wrong.append(f"ended with {told[0]}, its copy with {told[1]}")
    return wrong


def ended(body: Json) -> Json:
    """Return the condition with which a Job ended."""
    conditions: list[Json] = (body.get("status") or {}).get("conditions") or []
    (end,) = [c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"]
    return end


def owners_of(body: Json) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences") or ()}


def name_of(body: Json) -> str:
    name: str = body["metadata"]["name"]
    return name


def labels_of(body: Json) -> dict[str, str]:
    return body["metadata"].get("labels") or {}


def annotations_of(body: Json) -> dict[str, str]:
    return body["metadata"].get("annotations") or {}
