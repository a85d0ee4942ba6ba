"""The checker of Jobs and their copies can fail: it is shown what is wrong, and what is not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from tests.cluster.harness.copies import Copies, unlike, unsettled
from tests.cluster.harness.invariants import violations
from tests.cluster.harness.recorder import Seen

Json = dict[str, Any]

MARK = "headgate.dev/"


class World:
    """The records of a hub and of clusters "east" and "west", on one count of revisions."""

    def __init__(self) -> None:
        self.hub: list[Seen] = []
        self.members: dict[str, list[Seen]] = {"east": [], "west": []}
        self.revision = 0

    def note(self, where: list[Seen], kind: str, body: Json, *, deleted: bool = False) -> None:
        self.revision += 1
        where.append(Seen(self.revision, kind, deleted, deepcopy(body), float(self.revision)))

    def proxy(
        self, stamp: str | None = None, cluster: str = "east", *, how: str = "", **options: Any
    ) -> Json:
        """The Job "a" of the hub, waiting, or admitted at some time."""
        deleted = options.pop("deleted", False)
        marks = {f"{MARK}admitted-at": stamp, f"{MARK}cluster": cluster} if stamp else {}
        body = a_job("a", suspend=stamp is None, marks=marks, how=how, **options)
        body["spec"]["managedBy"] = f"{MARK}dispatcher"
        body["metadata"]["labels"][f"{MARK}queue"] = "line"
        self.note(self.hub, "Job", body, deleted=deleted)
        return body

    def copy(
        self, stamp: str, cluster: str = "east", *, how: str = "", uid: str = "", **options: Any
    ) -> Json:
        """Its copy."""
        deleted = options.pop("deleted", False)
        body = a_job("a", suspend=False, marks={f"{MARK}admitted-at": stamp}, how=how, **options)
        body["metadata"]["labels"] |= {f"{MARK}origin-uid": "a", f"{MARK}hub": "hub"}
        body["metadata"]["uid"] = uid or f"copy-{cluster}"
        self.note(self.members[cluster], "Job", body, deleted=deleted)
        return body

    def wrong(self) -> list[str]:
        return Copies("team").check(self.hub, self.members)

    def only(self) -> str:
        (sentence,) = self.wrong()
        return sentence


def a_job(name: str, *, suspend: bool, marks: dict[str, str], how: str = "", reason: str = "") -> Json:
    conditions = [{"type": how, "status": "True", "reason": reason}] if how else []
    pod = {"containers": [{"name": "main"}]}
    return {
        "metadata": {"name": name, "namespace": "team", "uid": name, "labels": {}, "annotations": marks},
        "spec": {"suspend": suspend, "backoffLimit": 0, "template": {"metadata": {}, "spec": pod}},
        "status": {"conditions": conditions, "active": 0 if how else 1},
    }


@pytest.fixture
def world() -> World:
    return World()


def test_a_life_with_nothing_wrong(world: World) -> None:
    world.proxy()
    world.proxy("1")
    world.copy("1")
    world.copy("1", how="Complete")
    world.proxy("1", how="Complete")
    world.proxy("1", how="Complete", deleted=True)
    world.copy("1", how="Complete", deleted=True)
    assert world.wrong() == []


def test_a_requeue_with_nothing_wrong(world: World) -> None:
    world.proxy("1")
    world.copy("1")
    back = a_job("a", suspend=True, marks={f"{MARK}requeued-from": "east"})
    back["spec"]["managedBy"] = f"{MARK}dispatcher"
    world.note(world.hub, "Job", back)
    world.proxy("2", "west")
    world.copy("2", "west")
    assert world.wrong() == []
    checked = Copies("team")
    checked.check(world.hub, world.members)
    assert sorted(copy.cluster for copy in checked.ran("a")) == ["east", "west"]


def test_a_copy_before_its_admission(world: World) -> None:
    world.proxy()
    world.copy("1")
    world.proxy("1")
    assert "is made for the admission of '1': {}" in world.only()


def test_a_copy_in_another_cluster_than_the_admission_says(world: World) -> None:
    world.proxy("1", "east")
    world.copy("1", "west")
    assert "cluster west is made for the admission of '1': {'1': 'east'}" in world.only()


def test_a_copy_of_no_job(world: World) -> None:
    world.copy("1")
    assert "for a Job that the hub never had" in world.only()


def test_a_copy_that_is_made_again(world: World) -> None:
    world.proxy("1")
    world.copy("1", uid="first")
    world.copy("1", uid="first", deleted=True)
    world.copy("1", uid="second")
    assert "is made again: admission 1 has had one in east" in world.only()


def test_two_live_copies_without_a_requeue(world: World) -> None:
    world.proxy("1")
    world.copy("1")
    world.proxy("2", "west")
    world.copy("2", "west")
    assert "while another one is live in cluster east" in world.only()


def test_an_end_that_no_copy_had(world: World) -> None:
    world.proxy("1")
    world.copy("1")
    world.proxy("1", how="Complete")
    world.copy("1", how="Complete")
    assert "Job a has succeeded, and no copy of it has" in world.only()


@pytest.mark.parametrize(
    ("reason", "count"), [("BackoffLimitExceeded", 1), ("Canceled", 0), ("CopyDeleted", 0)]
)
def test_a_failure_that_no_copy_had(world: World, reason: str, count: int) -> None:
    world.proxy("1")
    world.proxy("1", how="Failed", reason=reason)
    assert len(world.wrong()) == count


def test_a_pod_of_a_proxy_in_the_hub(world: World) -> None:
    world.proxy("1")
    owner = {"kind": "Job", "name": "a", "uid": "a"}
    world.note(
        world.hub,
        "Pod",
        {"metadata": {"name": "p", "namespace": "team", "uid": "p", "ownerReferences": [owner]}},
    )
    assert "Pod p is in the hub" in world.only()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda copy: copy["spec"].update(suspend=True), "is suspended"),
        (lambda copy: copy["spec"].update(backoffLimit=6), "spec.backoffLimit 6, its Job 0"),
        (lambda copy: copy["spec"].update(ttlSecondsAfterFinished=9), "has spec.ttlSecondsAfterFinished"),
        (lambda copy: copy["spec"].update(managedBy="x"), "has spec.managedBy"),
        (lambda copy: copy["metadata"]["labels"].update({f"{MARK}queue": "x"}), f"has the label {MARK}queue"),
        (lambda copy: copy["metadata"]["annotations"].update({f"{MARK}term": "1"}), f"the annotation {MARK}term"),
        (lambda copy: copy["metadata"].update(ownerReferences=[{}]), "has an owner"),
        (lambda copy: copy["spec"]["template"]["spec"].update(nodeSelector={"a": "b"}), "Pods with nodeSelector"),
        (lambda copy: copy["spec"]["template"]["spec"]["containers"].clear(), "Pods with containers"),
    ],
)  # fmt: skip
def test_a_copy_that_is_not_what_its_job_says(world: World, change: Any, problem: str) -> None:
    proxy, copy = world.proxy("1"), world.copy("1")
    assert unlike(copy, proxy) == []
    change(copy)
    (wrong,) = unlike(copy, proxy)
    assert problem in wrong


def test_the_placement_is_what_the_copy_has_to_have(world: World) -> None:
    proxy, copy = world.proxy("1"), world.copy("1")
    placement = '{"nodeSelector": {"disk": "fast"}}'
    proxy["metadata"]["annotations"] |= {f"{MARK}compute-environment": "fast", f"{MARK}placement": placement}
    assert len(unlike(copy, proxy)) == 1
    copy["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "fast"}
    assert unlike(copy, proxy) == []


def test_at_rest(world: World) -> None:
    waiting, active = world.proxy(), world.proxy("1")
    copy = world.copy("1")
    assert unsettled([waiting], {"east": []}) == []
    assert unsettled([active], {"east": [copy], "west": []}) == []
    assert unsettled([active], {"east": []}) == ["Job a is active without a copy"]
    assert unsettled([], {"east": [copy]}) == ["copy a in cluster east is left without its Job"]
    assert "copy a in cluster east is left of another admission" in unsettled([waiting], {"east": [copy]})
    assert "copy a in cluster west is left of another admission" in unsettled([active], {"west": [copy]})
    assert "Job a has 2 copies" in unsettled([active], {"east": [copy], "west": [copy]})


def test_at_rest_a_status_is_the_copys(world: World) -> None:
    active, copy = world.proxy("1"), world.copy("1")
    ended, finished = world.copy("1", how="Complete"), world.proxy("1", how="Complete")
    failed, canceled = world.copy("1", how="Failed"), world.proxy("1", how="Failed", reason="Canceled")
    assert unsettled([finished], {"east": [ended]}) == []
    assert unsettled([active], {"east": [ended]}) == ["Job a has None, its copy succeeded"]
    assert unsettled([finished], {"east": [copy]}) == ["Job a has succeeded, its copy None"]
    assert unsettled([finished], {"east": [failed]}) == ["Job a has succeeded, its copy failed"]
    assert unsettled([canceled], {"east": [ended]}) == []
    ended["status"]["succeeded"] = 1
    assert unsettled([finished], {"east": [ended]}) == ["Job a has status.succeeded None, its copy 1"]
    finished["status"]["succeeded"] = 1
    ended["status"]["conditions"][0]["message"] = "other words"
    assert "ended with" in unsettled([finished], {"east": [ended]})[0]


def test_an_admission_is_lost_by_a_requeue_alone(world: World) -> None:
    """The checker of the hub's own rules lets a Job be admitted again when it was sent back, and only then."""
    pool = {
        "metadata": {"name": "pool", "uid": "pool", "generation": 1},
        "spec": {"clusters": [{"name": "east"}, {"name": "west"}]},
    }
    spec = {"pool": "pool", "clusters": ["*"], "actionConcurrency": 0, "runConcurrency": 0, "state": "Active",
            "executionMode": "FIFO", "dispatch": {"paused": False}}  # fmt: skip
    world.note(world.hub, "ClusterPool", pool)
    queue = {"metadata": {"name": "line", "uid": "line", "generation": 1}, "spec": spec}
    world.note(world.hub, "JobQueue", {**queue, "status": {"observedGeneration": 1}})
    stamps = [f"2026-11-23T12:00:0{number}.000000Z" for number in range(3)]
    world.proxy()
    world.proxy(stamps[0])
    back = world.proxy()
    back["metadata"]["annotations"][f"{MARK}requeued-from"] = "east"
    right = [*world.hub[:-1], Seen(world.revision, "Job", False, back)]
    later = Seen(world.revision + 1, "Job", False, world.proxy(stamps[1], "west"))

    assert violations([*right, later]) == []
    wrong = violations([*world.hub[:-2], later])
    assert any(
        "is admitted more than once" in sentence or "loses its admission" in sentence for sentence in wrong
    )
    assert "loses its admission" in " ".join(violations(world.hub[:-1]))
