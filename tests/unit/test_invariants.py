"""The checker of section 8 can fail: it is shown records that are wrong, and one that is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.harness.invariants import decided, out_of_order, peaks, unfair, violations
from tests.cluster.harness.recorder import Seen

START = 1_800_000_000.0


class Record:
    """A record, revision by revision; a second lies between two of them."""

    def __init__(self, **spec: Any) -> None:
        self.seen: list[Seen] = []
        self.uids: dict[str, str] = {}
        self.pool("default", {"name": "local"})
        self.queue(**spec)

    @property
    def now(self) -> float:
        return START + len(self.seen)

    def note(self, kind: str, body: dict[str, Any], *, deleted: bool = False) -> None:
        self.seen.append(Seen(len(self.seen) + 1, kind, deleted, body, self.now))

    def pool(self, name: str, *clusters: dict[str, Any], generation: int = 1, observed: int = 1) -> None:
        metadata = {"name": name, "uid": name, "generation": generation}
        status = {"observedGeneration": observed}
        spec = {"clusters": list(clusters)}
        self.note("ClusterPool", {"metadata": metadata, "spec": spec, "status": status})

    def queue(
        self,
        generation: int = 1,
        observed: int = 1,
        status: dict[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        whole = {
            "actionConcurrency": 0,
            "runConcurrency": 0,
            "pool": "default",
            "clusters": ["*"],
            "state": "Active",
            "executionMode": "FIFO",
            "dispatch": {"paused": False},
            **spec,
        }
        metadata = {"name": "line", "uid": "line", "generation": generation}
        self.note(
            "JobQueue",
            {
                "metadata": metadata,
                "spec": whole,
                "status": {"observedGeneration": observed, **(status or {})},
            },
        )

    def job(
        self,
        name: str,
        state: str = "waiting",
        *,
        stamp: float | None = None,
        created: float = 0,
        queue: str | None = "line",
        deleted: bool = False,
        cluster: str = "local",
        labels: dict[str, str] | None = None,
        owner: str | None = None,
        **annotations: str,
    ) -> None:
        """A revision of a Job; active ones are stamped with the revision's time unless told otherwise."""
        marks = {f"headgate.dev/{key}": value for key, value in annotations.items()}
        if state != "waiting":
            stamp = stamp if stamp is not None else len(self.seen)
            marks["headgate.dev/admitted-at"] = datetime.fromtimestamp(START + stamp, UTC).isoformat()
            marks["headgate.dev/cluster"] = cluster
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": "team",
            "uid": name,
            "creationTimestamp": datetime.fromtimestamp(START + created, UTC).isoformat(),
            "labels": {**({"headgate.dev/queue": queue} if queue else {}), **(labels or {})},
            "annotations": marks,
        }
        if owner:
            metadata["ownerReferences"] = [{"kind": "Job", "name": owner, "uid": owner}]
        conditions = [{"type": "Complete", "status": "True"}] if state == "finished" else []
        body = {
            "metadata": metadata,
            "spec": {"suspend": state == "waiting"},
            "status": {"conditions": conditions},
        }
        self.note("Job", body, deleted=deleted)

    def wait(self, *names: str, **options: Any) -> None:
        for name in names:
            self.job(name, **options)

    def only(self) -> str:
        (sentence,) = violations(self.seen)
        return sentence


def counts(**given: int) -> dict[str, Any]:
    names = ("waiting", "active", "succeeded", "failed", "canceled", "timedOut")
    jobs = {**dict.fromkeys(names, 0), **given}
    jobs.setdefault("total", sum(jobs[name] for name in names))
    return {
        "jobs": jobs,
        "depth": {"current": jobs["waiting"] + jobs["active"]},
        "actions": {"active": jobs["active"]},
        "runs": {"active": jobs["active"]},
    }


def test_a_record_with_nothing_wrong() -> None:
    record = Record(actionConcurrency=1, runConcurrency=1)
    record.wait("a", "b")
    record.job("a", "active", stamp=10)
    record.queue(status=counts(waiting=1, active=1), actionConcurrency=1, runConcurrency=1)
    record.job("a", "finished", stamp=10)
    record.job("b", "active", stamp=12)
    record.job("b", "finished", stamp=12)
    record.job("b", "finished", stamp=12, deleted=True)

    assert violations(record.seen) == []
    assert peaks(record.seen, "line") == (1, 1)


def test_too_many_actions() -> None:
    record = Record(actionConcurrency=1)
    record.wait("a", "b")
    record.job("a", "active")
    record.job("b", "active")

    assert "actionConcurrency is 1" in record.only()


def test_too_many_runs() -> None:
    record = Record(runConcurrency=1)
    record.wait("a", labels={"headgate.dev/run": "one"})
    record.wait("b", labels={"headgate.dev/run": "two"})
    record.job("a", "active", labels={"headgate.dev/run": "one"})
    record.job("b", "active", labels={"headgate.dev/run": "two"})

    assert "runConcurrency is 1" in record.only()


def test_a_run_lasts_until_none_of_its_jobs_waits_or_runs() -> None:
    one = {"headgate.dev/run": "one"}
    record = Record(runConcurrency=1)
    record.wait("a", "b", labels=one)
    record.wait("c")
    record.job("a", "active", stamp=9, labels=one)
    record.job("a", "finished", stamp=9, labels=one)
    record.job("c", "active")

    assert "2 runs are active" in record.only()


def test_a_run_that_ended_makes_room() -> None:
    one = {"headgate.dev/run": "one"}
    record = Record(runConcurrency=1)
    record.wait("a", labels=one)
    record.wait("c")
    record.job("a", "active", stamp=9, labels=one)
    record.job("a", "finished", stamp=9, labels=one)
    record.wait("b", labels=one)
    record.job("c", "active")

    assert violations(record.seen) == []


@pytest.mark.parametrize("parent_is_admitted", [True, False])
def test_children_count_with_an_admitted_owner_only(*, parent_is_admitted: bool) -> None:
    record = Record(runConcurrency=1)
    record.wait("parent", "other")
    record.wait("child", owner="parent")
    record.job("parent" if parent_is_admitted else "other", "active", stamp=9)
    record.job("child", "active", owner="parent")

    assert len(violations(record.seen)) == (0 if parent_is_admitted else 1)


def test_admitted_twice() -> None:
    record = Record()
    record.wait("a")
    record.job("a", "active", stamp=10)
    record.job("a", "active", stamp=11)

    assert "admitted more than once" in record.only()


def test_admitted_after_it_finished() -> None:
    record = Record()
    record.wait("a")
    record.job("a", "active", stamp=10)
    record.job("a", "finished", stamp=10)
    record.job("a", "active", stamp=10)

    wrong = violations(record.seen)
    assert any("although it had succeeded" in sentence for sentence in wrong)


@pytest.mark.parametrize(
    ("spec", "status", "why"),
    [
        ({"dispatch": {"paused": True}}, {}, "is paused"),
        ({"state": "Terminated"}, {}, "is terminated"),
        ({"state": "Drained"}, {"state": "Drained"}, "is Drained"),
        ({"state": "Sealed"}, {"state": "Sealed"}, "is Sealed"),
    ],
)
def test_a_closed_queue_admits(spec: dict[str, Any], status: dict[str, Any], why: str) -> None:
    record = Record()
    record.wait("a")
    record.queue(2, 2, status, **spec)
    record.job("a", "active")

    assert why in record.only()


def test_a_change_is_in_force_once_its_generation_is_observed() -> None:
    record = Record(actionConcurrency=2)
    record.wait("a", "b")
    record.job("a", "active", stamp=9)
    record.queue(2, 1, actionConcurrency=1)
    record.job("b", "active")
    assert violations(record.seen) == []

    record.wait("c")
    record.queue(2, 2, actionConcurrency=1)
    record.job("c", "active")
    assert "actionConcurrency is 1" in record.only()


def test_a_held_job_is_admitted() -> None:
    record = Record()
    record.wait("a", hold="true")
    record.job("a", "active", hold="true")

    assert "it is held" in record.only()


@pytest.mark.parametrize(
    ("clusters", "selected", "went", "why"),
    [
        ([{"name": "other"}], ["*"], "local", "not in its pool"),
        ([{"name": "local", "state": "Disabled"}], ["*"], "local", "is disabled"),
        ([{"name": "local"}, {"name": "b"}], ["b"], "local", "does not select"),
    ],
)
def test_through_the_wall(clusters: list[dict[str, Any]], selected: list[str], went: str, why: str) -> None:
    record = Record(clusters=selected)
    record.pool("default", *clusters)
    record.wait("a", "b", "c", "d", "e", "f")
    record.job("a", "active", cluster=went)

    assert why in record.only()


def test_a_pool_without_a_cluster_is_in_force_once_its_generation_is_observed() -> None:
    record = Record()
    record.wait("a", "b")
    decided = len(record.seen)
    record.pool("default", {"name": "other"}, generation=2, observed=1)
    record.pool("default", {"name": "other"}, generation=2, observed=2)
    record.job("a", "active", stamp=decided)
    assert violations(record.seen) == [], "it was decided before"

    record.job("b", "active")
    assert "not in its pool" in record.only()


def test_a_queue_that_is_gone_admits() -> None:
    record = Record()
    record.wait("a")
    record.note("JobQueue", record.seen[1].body, deleted=True)
    record.job("a", "active")

    assert "no such queue" in record.only()


def test_a_job_outside_of_any_queue_is_touched() -> None:
    record = Record()
    record.wait("free", queue=None)
    assert violations(record.seen) == []
    record.job("free", "active", queue=None)

    assert "was touched" in record.only()


def test_totals_go_down() -> None:
    record = Record()
    record.queue(status=counts(succeeded=3))
    record.queue(status=counts(succeeded=2))

    assert "succeeded goes down from 3 to 2" in record.only()
    assert violations(record.seen, mangled={"line"}) == []


def test_a_status_that_does_not_add_up() -> None:
    record = Record()
    record.queue(status=counts(succeeded=3, total=4))

    assert "does not add up" in record.only()


def test_out_of_order() -> None:
    record = Record()
    record.wait("a", created=0)
    record.wait("b", created=5)
    record.wait("p", created=1, labels={"headgate.dev/project": "p"})
    record.job("b", "active", stamp=40, created=5)
    record.job("a", "active", stamp=41, created=0)

    assert out_of_order(record.seen, "line") == ["b goes before a"]
    assert [body["metadata"]["name"] for body in decided(record.seen, "line")] == ["b", "a"]
    record.queue(executionMode="LIFO")
    assert out_of_order(record.seen, "line") == []


def test_whoever_came_a_moment_ago_may_be_unknown_yet_unless_the_test_knows_better() -> None:
    record = Record()
    record.wait("b", created=5)
    record.wait("a", created=0)
    record.job("b", "active", created=5)

    assert out_of_order(record.seen, "line") == []
    assert out_of_order(record.seen, "line", settled=0) == ["b goes before a"]


def test_a_job_that_never_goes_is_out_of_order_too() -> None:
    record = Record()
    record.wait("a", created=0)
    record.wait("b", created=5)
    record.job("b", "active", stamp=40, created=5)

    assert out_of_order(record.seen, "line") == ["b goes before a"]


def test_priority_and_hold_decide_from_when_they_are_known() -> None:
    record = Record(executionMode="PRIORITY")
    record.wait("a", priority="5")
    record.wait("b", priority="9")
    record.wait("held", priority="99", hold="true")
    record.job("b", "active", stamp=6, priority="9")
    record.job("a", "active", stamp=7, priority="5")
    assert out_of_order(record.seen, "line") == []

    record.wait("late", priority="50")
    record.wait("c", priority="1")
    record.job("c", "active", stamp=50, priority="1")
    assert out_of_order(record.seen, "line") == ["c goes before late"]


def test_a_project_goes_twice_while_another_waits() -> None:
    record = Record()
    p, q = {"headgate.dev/project": "p"}, {"headgate.dev/project": "q"}
    record.wait("p1", "p2", "p3", labels=p)
    record.wait("q1", labels=q)
    record.job("p1", "active", stamp=40, labels=p)
    record.job("p2", "active", stamp=41, labels=p)
    record.job("q1", "active", stamp=42, labels=q)
    record.job("p3", "active", stamp=43, labels=p)

    assert unfair(record.seen, "line") == ["project p goes twice while q waits"]
