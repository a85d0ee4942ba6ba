"""A wrong value on a queued Job is refused with the field and the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.policies.support import QUEUE, Answer, Api, eventually, job

from headgate.api.job import ContractError, parse_depends_on, parse_retry_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster


PRIORITY = "headgate.dev/priority"
HOLD = "headgate.dev/hold"
DEPENDS_ON = "headgate.dev/depends-on"
RETRY_OF = "headgate.dev/retry-of"
RUN = "headgate.dev/run"


@pytest.fixture(autouse=True)
def in_effect(api: Api) -> None:
    """The policies take effect a moment after the chart is there."""
    wrong = job(queue="any", annotations={PRIORITY: "high"})
    eventually(lambda: api.create(wrong, dry_run=True).refused("job-fields"))


@pytest.fixture
def term(set_term: Callable[[int | None], None]) -> str:
    """The term of the operator, without which nobody changes a queued Job."""
    set_term(3)
    return "3"


@pytest.mark.parametrize("value", ["high", "10000", "-1", "1.5", "", " 1"])
def test_a_wrong_priority(api: Api, value: str) -> None:
    answer = api.create(job(queue="any", annotations={PRIORITY: value}), user="alice", dry_run=True)
    answer.refused(
        'Job "job"', f'metadata.annotations["{PRIORITY}"] is "{value}"', "an integer from 0 to 9999"
    )


@pytest.mark.parametrize("value", ["0", "7", "9999"])
def test_a_right_priority(api: Api, value: str) -> None:
    api.create(job(queue="any", annotations={PRIORITY: value}), user="alice", dry_run=True).accepted()


@pytest.mark.usefixtures("term")
def test_hold_is_true_or_false(api: Api) -> None:
    api.create(job(queue="any", annotations={HOLD: "yes"}), user="alice").refused(HOLD, '"true" or "false"')
    api.create(job(queue="any", annotations={HOLD: "true"}), user="alice").accepted()
    api.patch("job", "job", {"metadata": {"annotations": {HOLD: "1"}}}, user="alice").refused('is "1"')
    api.patch("job", "job", {"metadata": {"annotations": {HOLD: None}}}, user="alice").accepted()


@pytest.mark.parametrize("value", ["Upper", "a.b", "a_b"])
def test_the_label_is_the_name_of_a_queue(api: Api, value: str) -> None:
    told = ('metadata.labels["headgate.dev/queue"]', f'"{value}"', "1 to 63 characters")
    api.create(job(queue=value), user="alice").refused(*told)


@pytest.mark.usefixtures("term")
def test_the_label_is_not_empty(api: Api, make_queue: Callable[..., str]) -> None:
    told = ('metadata.labels["headgate.dev/queue"] is ""', "it must be the name of a queue")
    api.create(job(queue=""), user="alice").refused(*told)
    api.create(job("plain", suspend=True), user="alice").accepted()
    api.create(job("waits", queue=make_queue()), user="alice").accepted()
    for name in ("plain", "waits"):
        api.patch("job", name, {"metadata": {"labels": {QUEUE: ""}}}, user="alice").refused(*told)


@pytest.mark.usefixtures("term")
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


@pytest.mark.parametrize(
    "value",
    ["load", "load,train.v2, 7-evaluate ", "n" * 253, ",".join(f"job-{number}" for number in range(32))],
    ids=lambda value: value[:12],
)
def test_a_right_depends_on(api: Api, value: str) -> None:
    parse_depends_on(value)
    api.create(job(queue="any", annotations={DEPENDS_ON: value}), user="alice", dry_run=True).accepted()


@pytest.mark.parametrize(
    "value",
    [
        *("", ",", "load,", "load train", "Load", "load-", "a..b", "team/load", "load\n"),
        *("n" * 254, ",".join(f"job-{number}" for number in range(33)), "a," * 50_000),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_wrong_depends_on(api: Api, value: str) -> None:
    with pytest.raises(ContractError):
        parse_depends_on(value)
    answer = api.create(job(queue="any", annotations={DEPENDS_ON: value}), user="alice", dry_run=True)
    answer.refused(
        'Job "job"',
        f'metadata.annotations["{DEPENDS_ON}"] is "{value[:200]}'.replace("\n", " "),
        "the names of 1 to 32 Jobs of the namespace, separated by commas",
    )
    assert len(answer.message) < 1000


@pytest.mark.parametrize("value", ["train", "train-2.b"])
def test_a_right_retry_of(api: Api, value: str) -> None:
    parse_retry_of(value)
    api.create(job(queue="any", annotations={RETRY_OF: value}), user="alice", dry_run=True).accepted()


@pytest.mark.parametrize("value", ["", " train", "train,load", "Train", "team/train", "n" * 254])
def test_a_wrong_retry_of(api: Api, value: str) -> None:
    with pytest.raises(ContractError):
        parse_retry_of(value)
    answer = api.create(job(queue="any", annotations={RETRY_OF: value}), user="alice", dry_run=True)
    told = f'metadata.annotations["{RETRY_OF}"] is "{value[:200]}'
    answer.refused('Job "job"', told, "must be the name of a Job of the namespace")


def test_what_a_job_depends_on_changes_only_while_it_waits(
    api: Api, make_queue: Callable[..., str], term: str
) -> None:
    def depend_on(value: str | None, name: str = "job") -> Answer:
        change = {"metadata": {"annotations": {DEPENDS_ON: value}}}
        return api.patch("job", name, change, user="alice")

    name = make_queue()
    api.create(job(queue=name, annotations={DEPENDS_ON: "load"}), user="alice").accepted()
    api.create(job("free", queue=name), user="alice").accepted()
    depend_on("load, train").accepted()
    depend_on(None).accepted()
    depend_on("load").accepted()

    eventually(lambda: api.admit("job", term=term).accepted())
    api.admit("free", term=term).accepted()
    told = (
        f'metadata.annotations["{DEPENDS_ON}"] may change only while the Job waits, and this one is admitted'
    )
    depend_on("train").refused('Job "job"', told, 'leave it "load"')
    depend_on(None).refused(told, 'leave it "load"')
    depend_on("load", "free").refused('Job "free"', told, "leave it out")
    api.patch("job", "job", {"metadata": {"annotations": {"mine": "yes"}}}, user="alice").accepted()


def test_the_run_of_a_job_changes_only_while_it_waits(
    api: Api, make_queue: Callable[..., str], term: str
) -> None:
    def join(run: str | None, name: str = "job", user: str = "alice") -> Answer:
        return api.patch("job", name, {"metadata": {"labels": {RUN: run}}}, user=user)

    name = make_queue()
    api.create(job(queue=name), user="alice").accepted()
    api.create(job("alone", queue=name), user="alice").accepted()
    for run in ("monday", None, "tuesday"):
        join(run).accepted()

    eventually(lambda: api.admit("job", term=term).accepted())
    api.admit("alone", term=term).accepted()
    told = f'metadata.labels["{RUN}"] may change only while the Job waits, and this one is admitted'
    for user in ("alice", "admin"):
        join("monday", user=user).refused('Job "job"', told, 'leave it "tuesday"')
        join(None, user=user).refused(told, 'leave it "tuesday"')
        join("tuesday", "alone", user=user).refused('Job "alone"', told, "leave it out")
