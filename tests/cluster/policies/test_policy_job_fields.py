"""A wrong value on a queued Job is refused with the field and the range."""

from __future__ import annotations

import pytest
from tests.cluster.policies.support import QUEUE, Api, job

pytestmark = pytest.mark.cluster


PRIORITY = "headgate.dev/priority"
HOLD = "headgate.dev/hold"


@pytest.mark.parametrize("value", ["high", "10000", "-1", "1.5", "", " 1"])
def test_a_wrong_priority(api: Api, value: str) -> None:
    answer = api.create(job(queue="any", annotations={PRIORITY: value}), user="alice", dry_run=True)
    answer.refused(
        'Job "job"', f'metadata.annotations["{PRIORITY}"] is "{value}"', "an integer from 0 to 9999"
    )


@pytest.mark.parametrize("value", ["0", "7", "9999"])
def test_a_right_priority(api: Api, value: str) -> None:
    api.create(job(queue="any", annotations={PRIORITY: value}), user="alice", dry_run=True).accepted()


def test_hold_is_true_or_false(api: Api) -> None:
    api.create(job(queue="any", annotations={HOLD: "yes"}), user="alice").refused(HOLD, '"true" or "false"')
    api.create(job(queue="any", annotations={HOLD: "true"}), user="alice").accepted()
    api.patch("job", "job", {"metadata": {"annotations": {HOLD: "1"}}}, user="alice").refused('is "1"')
    api.patch("job", "job", {"metadata": {"annotations": {HOLD: None}}}, user="alice").accepted()


@pytest.mark.parametrize("value", ["Upper", "a.b", "a_b"])
def test_the_label_is_the_name_of_a_queue(api: Api, value: str) -> None:
    told = ('metadata.labels["headgate.dev/queue"]', f'"{value}"', "1 to 63 characters")
    api.create(job(queue=value), user="alice").refused(*told)


def test_the_label_is_not_empty(api: Api) -> None:
    api.create(job(queue=""), user="alice").refused("is empty")


def test_an_old_wrong_value_does_not_get_in_the_way(api: Api) -> None:
    # It was written while the Job was in no queue, so it is looked at when it enters one.
    api.create(job(suspend=True, annotations={PRIORITY: "high"}), user="alice").accepted()
    enter = {"metadata": {"labels": {QUEUE: "any"}}}
    api.patch("job", "job", enter, user="alice").refused("an integer from 0 to 9999")
    api.patch("job", "job", {"metadata": {"annotations": {PRIORITY: "5"}}}, user="alice").accepted()
    api.patch("job", "job", enter, user="alice").accepted()
    api.patch("job", "job", {"metadata": {"annotations": {PRIORITY: "low"}}}, user="alice").refused(
        'is "low"'
    )
