"""What stands on a Job: right values, wrong ones that must not crash anything, and how a Job ended."""

from typing import Any

import pytest

from headgate.api.job import (
    ContractError,
    finished,
    parse_depends_on,
    parse_hold,
    parse_priority,
    parse_retry_of,
)

PRIORITY = "metadata.annotations['headgate.dev/priority']"
HOLD = "metadata.annotations['headgate.dev/hold']"
DEPENDS_ON = "metadata.annotations['headgate.dev/depends-on']"
RETRY_OF = "metadata.annotations['headgate.dev/retry-of']"


@pytest.mark.parametrize(
    ("annotation", "priority"), [(None, 0), ("0", 0), ("7", 7), ("0042", 42), ("9999", 9999)]
)
def test_priority(annotation: Any, priority: Any) -> None:
    assert parse_priority(annotation) == priority


@pytest.mark.parametrize(
    "annotation",
    ["", " ", "high", "-1", "+1", "10000", "00001", "1.5", "1e3", "0x1", "1_0", " 7", "7\n", "٣", "9" * 5000],
)
def test_a_wrong_priority_names_the_field_the_range_and_the_value(annotation: Any) -> None:
    with pytest.raises(ContractError) as caught:
        parse_priority(annotation)
    assert caught.value.field_path == PRIORITY
    assert caught.value.message.startswith("must be an integer from 0 to 9999, not ")
    assert str(caught.value) == f"{PRIORITY}: {caught.value.message}"
    assert len(str(caught.value)) < 200


def test_a_priority_that_is_no_text_is_wrong_too() -> None:
    with pytest.raises(ContractError, match="not 7"):
        parse_priority(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(("annotation", "hold"), [(None, False), ("true", True), ("false", False)])
def test_hold(annotation: Any, hold: bool) -> None:
    assert parse_hold(annotation) is hold


@pytest.mark.parametrize("annotation", ["", "True", "yes", "1", " true"])
def test_a_wrong_hold_is_not_guessed_at(annotation: Any) -> None:
    with pytest.raises(ContractError, match='must be "true" or "false"') as caught:
        parse_hold(annotation)
    assert caught.value.field_path == HOLD


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (None, ()),
        ("load", ("load",)),
        ("load,train.v2, 7-evaluate ", ("load", "train.v2", "7-evaluate")),
        (" load ,load", ("load",)),
        (",".join(f"job-{number}" for number in range(32)), tuple(f"job-{number}" for number in range(32))),
        ("n" * 253, ("n" * 253,)),
    ],
)
def test_depends_on(annotation: Any, names: tuple[str, ...]) -> None:
    assert parse_depends_on(annotation) == names


@pytest.mark.parametrize(
    "annotation",
    [
        *("", " ", ",", "load,", "load,,train", "load train", "Load", "-load", "load-", "a..b", "a/b"),
        *("load\n", "a\tb", "n" * 254, ",".join(f"job-{number}" for number in range(33)), "a," * 100_000, 7),
    ],
)
def test_a_wrong_depends_on_says_what_would_be_right(annotation: Any) -> None:
    with pytest.raises(ContractError) as caught:
        parse_depends_on(annotation)
    assert caught.value.field_path == DEPENDS_ON
    assert caught.value.message.startswith(
        "must be the names of 1 to 32 Jobs of the namespace, separated by commas, not "
    )
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("annotation", [None, "train", "train-2.b"])
def test_retry_of(annotation: Any) -> None:
    assert parse_retry_of(annotation) == annotation


@pytest.mark.parametrize("annotation", ["", " train", "train ", "train,load", "Train", "a_b", "n" * 254, 7])
def test_a_wrong_retry_of_says_what_would_be_right(annotation: Any) -> None:
    with pytest.raises(ContractError, match="must be the name of a Job of the namespace, not ") as caught:
        parse_retry_of(annotation)
    assert caught.value.field_path == RETRY_OF


def condition(kind: str, status: str = "True", reason: str | None = None) -> dict[str, Any]:
    return {"type": kind, "status": status} | ({"reason": reason} if reason else {})


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ([], None),
        ([condition("Complete")], "succeeded"),
        ([condition("SuccessCriteriaMet"), condition("Complete")], "succeeded"),
        ([condition("Failed")], "failed"),
        ([condition("Failed", reason="BackoffLimitExceeded")], "failed"),
        ([condition("Failed", reason="Canceled")], "canceled"),
        ([condition("Failed", reason="QueueFull")], "canceled"),
        ([condition("Failed", reason="DependencyFailed")], "canceled"),
        ([condition("Failed", reason="DependencyCycle")], "canceled"),
        ([condition("Failed", reason="WrongManager")], "canceled"),
        ([condition("Failed", reason="TimedOut")], "timedOut"),
        ([condition("Failed", reason="DeadlineExceeded")], "timedOut"),
        (
            [condition("FailureTarget", reason="Canceled"), condition("Failed", reason="Canceled")],
            "canceled",
        ),
        # decided, but with pods still to lose
        ([condition("FailureTarget", reason="Canceled")], None),
        ([condition("SuccessCriteriaMet")], None),
        ([condition("Suspended")], None),
        ([condition("Complete", status="False")], None),
        ([condition("Failed", status="Unknown")], None),
    ],
)
def test_how_a_job_ended(conditions: list[dict[str, Any]], outcome: str | None) -> None:
    assert finished({"status": {"conditions": conditions}}) == outcome


@pytest.mark.parametrize("job", [{}, {"status": {}}, {"status": None}, {"status": {"conditions": None}}])
def test_a_job_without_a_status_has_not_finished(job: dict[str, Any]) -> None:
    assert finished(job) is None
