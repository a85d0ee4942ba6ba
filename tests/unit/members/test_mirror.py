"""A proxy's status follows its copy's through whatever life, in steps that the Job API accepts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thoroughness import examples
from tests.unit.members.job_api import complaints, holds, is_finished, merged
from tests.unit.members.lives import KINDS, STEPS, Life, condition, stamp

from headgate.members.mirror import ended, mirrored, remains, reset

Json = dict[str, Any]

RUNNING: Json = {"startTime": stamp(0), "active": 1, "ready": 1, "terminating": 0}
COMPLETE: Json = {
    "startTime": stamp(0),
    "completionTime": stamp(9),
    "succeeded": 1,
    "ready": 0,
    "terminating": 0,
    "conditions": [condition("SuccessCriteriaMet", 9), condition("Complete", 9)],
}
FAILED: Json = {
    "startTime": stamp(0),
    "failed": 1,
    "conditions": [
        condition("FailureTarget", 8, reason="BackoffLimitExceeded", message="too often"),
        condition("Failed", 9, reason="BackoffLimitExceeded", message="too often"),
    ],
}
CANCELLED = [condition("FailureTarget", 5, reason="Canceled", message="by alice")]


class Hub:
    """A hub's API server with one Job, which refuses what the Job API forbids."""

    def __init__(self, kind: Json) -> None:
        self.spec: Json = {**kind, "suspend": False}
        self.status: Json = {}

    def write(self, patch: Json) -> Json:
        after = merged(self.status, patch)
        wrong = complaints(self.spec, self.status, after)
        assert not wrong, f"{wrong}\nold {self.status}\npatch {patch}"
        self.status = after
        return after

    def suspend(self, suspend: bool) -> None:
        self.spec["suspend"] = suspend


@settings(max_examples=examples(300, 10_000))
@given(st.data())
def test_no_life_of_a_copy_breaks_the_rules_of_the_api(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    hub = Hub(kind)
    life = Life(
        kind,
        hub.write,
        hub.suspend,
        choose=lambda below: data.draw(st.integers(0, below - 1)),
        skew=data.draw(st.sampled_from((0, -300, 300))),
        old_kubernetes=data.draw(st.booleans()),
    )
    acts = data.draw(st.lists(st.sampled_from((*STEPS, "start", "pods", "mirror", "cancel", "requeue", "gone")),
                              max_size=40))  # fmt: skip
    for act in acts:
        match act:
            case "mirror":
                life.mirror()
                assert life.patch() is None, "what was written differs still"
            case "cancel":
                life.cancel()
            case "requeue":
                life.requeue()
                assert not remains(life.hub) or is_finished(life.hub) or holds(life.hub, "FailureTarget")
            case "gone":
                if data.draw(st.booleans()):
                    complete = holds(life.hub, "Complete")
                    life.end_without_copy()
                    assert holds(life.hub, "Complete" if complete else "Failed")
            case step:
                life.step(step)
    if is_finished(life.copy) and not is_finished(life.hub):
        life.mirror()
        assert is_finished(life.hub)
        assert holds(life.hub, "Complete") == (holds(life.copy, "Complete") and not life.cancelled)


@pytest.mark.parametrize("copy", [RUNNING, COMPLETE, FAILED])
def test_a_new_proxy_says_what_its_copy_says(copy: Json) -> None:
    patch = mirrored({}, copy)
    assert patch is not None
    after = merged({}, patch)
    for field in ("startTime", "completionTime", "active", "succeeded", "failed"):
        assert after.get(field) == copy.get(field), field
    assert {c["type"]: (c["reason"], c["message"]) for c in after.get("conditions", ())} == {
        c["type"]: (c["reason"], c["message"]) for c in copy.get("conditions", ())
    }


def test_nothing_is_written_where_nothing_differs() -> None:
    assert mirrored(RUNNING, RUNNING) is None
    assert mirrored(COMPLETE, COMPLETE) is None


def test_what_has_ended_stays_as_it_ended() -> None:
    assert mirrored(COMPLETE, FAILED) is None
    assert mirrored(FAILED, COMPLETE) is None


def test_pods_that_are_not_counted_yet_are_not_mirrored() -> None:
    assert mirrored(RUNNING, {**RUNNING, "uncountedTerminatedPods": {"succeeded": ["x"]}}) is None


def test_what_a_copy_will_come_to_is_not_shown_before_it_has() -> None:
    for type_ in ("FailureTarget", "SuccessCriteriaMet"):
        assert mirrored(RUNNING, {**RUNNING, "conditions": [condition(type_, 5)]}) is None


def test_a_job_cancelled_while_its_copy_completes_fails_as_cancelled() -> None:
    hub = {**RUNNING, "conditions": CANCELLED}
    patch = mirrored(hub, COMPLETE)
    assert patch is not None
    after = merged(hub, patch)
    assert [(c["type"], c["reason"]) for c in after["conditions"]] == [
        ("FailureTarget", "Canceled"),
        ("Failed", "Canceled"),
    ]
    assert "completionTime" not in after
    assert after["conditions"][1]["lastTransitionTime"] == stamp(9)


def test_the_hub_decides_why_a_cancelled_job_failed() -> None:
    hub = {**RUNNING, "conditions": CANCELLED}
    patch = mirrored(hub, FAILED)
    assert patch is not None
    assert [(c["type"], c["reason"], c["message"]) for c in patch["conditions"]] == [
        ("Failed", "Canceled", "by alice")
    ]


def test_counts_of_an_earlier_run_stand() -> None:
    hub = {"succeeded": 3, "failed": 2}
    patch = mirrored(hub, {"startTime": stamp(0), "succeeded": 1, "failed": 4})
    assert patch == {"startTime": stamp(0), "failed": 4}


def test_an_older_kubernetes_knows_no_failure_target_and_no_success_criteria() -> None:
    for type_, needs in (("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")):
        copy = {**RUNNING, "active": 0, "conditions": [condition(type_, 9, reason="Old", message="told")]}
        patch = mirrored(RUNNING, copy)
        assert patch is not None
        assert {(c["type"], c["reason"], c["message"]) for c in patch["conditions"]} == {
            (type_, "Old", "told"),
            (needs, "Old", "told"),
        }


def test_a_clock_that_is_behind_completes_nothing_before_it_started() -> None:
    patch = mirrored({"startTime": stamp(100)}, COMPLETE)
    assert patch is not None
    assert patch["completionTime"] == stamp(100)
    assert "startTime" not in patch


def test_indexes_beyond_the_hubs_completions_are_left_out() -> None:
    copy = {**RUNNING, "completedIndexes": "0-2", "failedIndexes": "4"}
    assert mirrored(RUNNING, copy, completions=4) is None
    assert mirrored(RUNNING, copy, completions=5) == {"completedIndexes": "0-2", "failedIndexes": "4"}


def test_a_proxy_that_waits_again_says_so_and_its_next_copy_resumes_it() -> None:
    hub = {**RUNNING, "failed": 1, "completedIndexes": "0"}
    assert remains(hub)
    after = merged(hub, reset(hub, 'sent back: cluster "east" is lost', stamp(20)))
    assert not remains(after)
    assert after["failed"] == 1
    assert [(c["type"], c["status"], c["reason"]) for c in after["conditions"]] == [
        ("Suspended", "True", "Requeued")
    ]
    patch = mirrored(after, {"startTime": stamp(30), "active": 1})
    assert patch is not None
    again = merged(after, patch)
    assert [(c["type"], c["status"], c["reason"]) for c in again["conditions"]] == [
        ("Suspended", "False", "JobResumed")
    ]
    assert again["startTime"] == stamp(30)


def test_a_copy_that_somebody_suspends_shows_in_the_hub() -> None:
    copy = {"conditions": [condition("Suspended", 7, reason="JobSuspended")]}
    patch = mirrored({**RUNNING, "ready": None, "terminating": None}, copy)
    assert patch is not None
    assert patch["active"] is None
    assert patch["conditions"] == copy["conditions"]
    assert "startTime" not in patch


def test_a_copy_that_is_resumed_has_started_anew() -> None:
    hub = {"startTime": stamp(0), "conditions": [condition("Suspended", 7, reason="JobSuspended")]}
    resumed = condition("Suspended", 20, status="False", reason="JobResumed")
    patch = mirrored(hub, {"startTime": stamp(20), "active": 1, "conditions": [resumed]})
    assert patch == {"startTime": stamp(20), "active": 1, "conditions": [resumed]}
    assert not complaints({}, hub, merged(hub, patch))


def test_a_proxy_without_a_copy_fails_for_a_reason() -> None:
    after = merged({}, ended({}, "NameTaken", "somebody else's", stamp(5)))
    assert [(c["type"], c["reason"], c["message"]) for c in after["conditions"]] == [
        ("FailureTarget", "NameTaken", "somebody else's"),
        ("Failed", "NameTaken", "somebody else's"),
    ]
    assert after["startTime"] == stamp(5)


def test_a_cancelled_proxy_without_a_copy_fails_as_cancelled() -> None:
    patch = ended({**RUNNING, "conditions": CANCELLED}, "CopyDeleted", "gone", stamp(9))
    assert [(c["type"], c["reason"], c["message"]) for c in patch["conditions"]] == [
        ("FailureTarget", "Canceled", "by alice"),
        ("Failed", "Canceled", "by alice"),
    ]
    assert (patch["active"], patch["ready"]) == (0, 0)


def test_what_met_its_success_criteria_can_only_succeed() -> None:
    hub = {**RUNNING, "conditions": [condition("SuccessCriteriaMet", 3)]}
    for patch in (mirrored(hub, FAILED), ended(hub, "CopyDeleted", "gone", stamp(9))):
        assert patch is not None
        assert not complaints({}, hub, merged(hub, patch))
        assert holds(merged(hub, patch), "Complete")
