"""Tables, pages, ages and documents, compared with the files beside this one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from headgate.api.jobqueue import JobQueue
from headgate.cli.errors import describe
from headgate.cli.job.names import plain as plain_job
from headgate.cli.job.why import page as why_page
from headgate.cli.job.words import COLUMNS as JOBS
from headgate.cli.job.words import page as job_page
from headgate.cli.options import Writing
from headgate.cli.output import ages, documents
from headgate.cli.output.listing import Rows, resources
from headgate.cli.output.table import Column, Table, Unreadable
from headgate.cli.output.visible import visible
from headgate.cli.queue.columns import COLUMNS
from headgate.cli.queue.migrate import steps
from headgate.cli.queue.page import page
from headgate.cli.queue.top import lines as top_lines
from headgate.client import (
    Ahead,
    Doubt,
    Explanation,
    HeadgateError,
    Hold,
    JobException,
    JobInfo,
    Place,
    QueueLine,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
NOW = 1_772_366_400.0  # 2026-03-01T12:00:00Z
EMPTY = {"runConcurrency": 0, "actionConcurrency": 0}


def queue(name: str, spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> JobQueue:
    metadata = {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": "2026-03-01T11:30:00Z"}
    return JobQueue.parse({"metadata": metadata, "spec": {**EMPTY, **(spec or {})}, "status": status or {}})


def condition(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    since = "2026-03-01T11:50:00Z"
    return {
        "type": type_,
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


BUSY = queue(
    "nightly",
    {
        "runConcurrency": 1,
        "actionConcurrency": 20,
        "depth": 500,
        "priority": "max",
        "description": "Nightly pipelines,\nask #data",
        "clusters": ["gpu-east", "gpu-west"],
        "computeEnvironments": [{"order": 2, "name": "spot"}, {"order": 1, "name": "reserved"}],
        "dispatch": {"paused": True, "note": "database upgrade until 14:00 UTC"},
        "timeLimitActions": [{"reason": "InsufficientCapacity", "maxTimeSeconds": 3600, "action": "Cancel"}],
        "idleTimeoutSeconds": 600,
        "state": "Drained",
        "tags": {"team": "search", "cost-center": "4711"},
    },
    {
        "state": "Draining",
        "jobs": {"total": 130, "waiting": 100, "active": 18, "succeeded": 9, "failed": 2, "canceled": 1},
        "runs": {"active": 1, "limit": 1},
        "actions": {"active": 18, "limit": 20},
        "depth": {"current": 118, "limit": 500},
        "clusters": [
            {"name": "gpu-east", "state": "Running", "active": 18},
            {"name": "gpu-west", "state": "Unknown", "active": 0},
        ],
        "computeEnvironments": [
            {"name": "spot", "order": 2, "active": 3},
            {"name": "reserved", "order": 1, "active": 15},
        ],
        "shares": [{"identifier": "science", "waiting": 90, "active": 12, "usage": "96.5"}],
        "head": {
            "namespace": "etl",
            "name": "train-large",
            "uid": "1",
            "reason": "InsufficientCapacity",
            "message": "no environment has room for 64 cores now",
            "since": "2026-03-01T11:55:00Z",
        },
        "dispatch": {
            "paused": True,
            "pausedBy": "alice",
            "pausedAt": "2026-03-01T11:58:00Z",
            "note": "database upgrade until 14:00 UTC",
        },
        "createdBy": "alice",
        "lastAdmittedAt": "2026-03-01T11:57:00.123456Z",
        "conditions": [
            condition("Ready", "True", "Draining", "the queue finishes what it has"),
            condition("Dispatching", "False", "Paused", "paused by alice: database upgrade until 14:00 UTC"),
        ],
    },
)
STALLED = queue(
    "gpu",
    {"pool": "prod"},
    {
        "state": "Active",
        "conditions": [condition("Stalled", "True", "PoolNotFound", "there is no pool prod")],
    },
)
NEW = queue("brand-new")


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.cli.output.ages.time.time", lambda: NOW)


def same_as_file(text: str, name: str) -> None:
    """Compare with a file; to write it anew, remove it and run the test, which fails once."""
    file = HERE / "snapshots" / name
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        pytest.fail(f"{file} was not there and has been written: look at it")
    assert text == file.read_text()


@pytest.mark.parametrize("form", ["table", "wide"])
def test_the_table_of_queues(form: str) -> None:
    lines = Table(COLUMNS, wide=form == "wide").lines([BUSY, STALLED, NEW])

    same_as_file("\n".join(lines) + "\n", f"queues-{form}.txt")
    if form == "table":
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("shown", [BUSY, STALLED, NEW], ids=lambda shown: str(shown.name))
def test_the_page_about_a_queue(shown: JobQueue) -> None:
    same_as_file(page(shown), f"queue-{shown.name}.txt")


JOB = JobInfo(
    id="etl/train", namespace="etl", name="train", uid="1", state="inactive", result="failed",
    t_submit=NOW - 600, t_run=NOW - 500, t_inactive=NOW - 100, duration=3600.0, username="alice", queue="nightly",
    pool="default", project="search", priority=7, ntasks=4, ncores=2.5, cluster="local", environment="spot",
    dependencies=("load", "clean"), exception=JobException("BackoffLimitExceeded", "too many Pods failed"),
)  # fmt: skip
WAITING = JobInfo(
    id="etl/next", namespace="etl", name="next", uid="2", state="priority", held=True, t_submit=NOW - 5
)


@pytest.mark.parametrize("form", ["table", "wide"])
def test_the_table_of_jobs(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)

    lines = Table(JOBS, wide=form == "wide").lines([JOB, WAITING])

    same_as_file("\n".join(lines) + "\n", f"jobs-{form}.txt")


def test_the_page_about_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)

    same_as_file(job_page(JOB), "job-train.txt")


def test_the_top_of_a_line() -> None:
    limit = Hold("ActionLimit", "20 of 20 Jobs are active", "raise the limit", NOW - 60)
    places = (Place("etl", "first", 90.0, (limit,)), Place("etl", "second", None, (limit, limit)))

    same_as_file(top_lines(QueueLine("nightly", 7, places)), "top-nightly.txt")
    at_once = QueueLine("nightly", 1, (Place("etl", "first", 0.0, ()),))
    assert top_lines(at_once).splitlines()[-1].split() == ["etl", "first", "now", "<none>"]
    assert top_lines(None) == "Top Of The Line:  <none>\n"


def test_why_a_job_waits_for_what_nobody_can_foresee() -> None:
    told = Explanation("etl", "train", "nightly", NOW - 600, (), 1, (), None, Doubt("etl", "stuck", 36_000.0))

    assert "Estimate:        unknown: Job etl/stuck, which runs, is overdue by 10h\n" in why_page(told)
    new = replace(told, doubt=Doubt("etl", "new", None))
    assert "unknown: nobody knows for how long Job etl/new, which runs, does\n" in why_page(new)


def test_why_a_job_waits_as_far_as_one_may_see() -> None:
    hold = Hold("Paused", "the queue is paused by alice", "resume it", NOW - 60)
    told = Explanation(
        "etl", "train", "nightly", NOW - 600, (hold,), None, (), None, unseen="list jobs.batch"
    )

    same_as_file(why_page(told), "why-partly.txt")


def test_what_steers_a_terminal_is_written_out() -> None:
    evil = "\x1b]0;title\x07 \x1b[2J \x9b1m \u202edlrow\ttab \x7f"
    written = r"^[]0;title^G ^[[2J \x9b1m \u202edlrow"

    assert visible(evil) == written + "\ttab ^?"
    assert visible("zweite Zeile: ü\n日本 👩\u200d🔬") == "zweite Zeile: ü\n日本 👩\u200d🔬"
    described = queue(
        "evil", {"description": evil, "tags": {evil: evil}, "dispatch": {"note": evil, "paused": True}}
    )
    for text in (
        page(described),
        "\n".join(Table(COLUMNS, wide=True).lines([described])),
        job_page(replace(JOB, exception=JobException("Failed", evil), error=evil)),
        describe(HeadgateError(evil)),
    ):
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert written in text


def test_what_cannot_be_read_is_a_row_too(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[JobQueue | Unreadable] = [NEW, Unreadable("future", "JobQueue future cannot be read: spec")]

    Rows(COLUMNS, "table").print(rows)

    out, err = capsys.readouterr()
    assert out.splitlines()[-1].split() == ["future", "Unknown", *["<none>"] * 5]
    assert err == "warning: JobQueue future cannot be read: spec\n"


async def test_one_object_that_cannot_be_read_keeps_no_other_back() -> None:
    bad = {"metadata": {"name": "b"}, "spec": {"runConcurrency": "many"}}

    async def manifests() -> AsyncIterator[dict[str, Any]]:
        for manifest in (documents.manifest_of(BUSY), bad, documents.manifest_of(NEW)):
            yield manifest

    unused: Any = None
    rows = [row async for row in resources(JobQueue, manifests, unused, unused).rows()]

    assert [row.name for row in rows] == ["nightly", "b", "brand-new"]
    assert isinstance(rows[1], Unreadable)
    assert "JobQueue b cannot be read: spec.runConcurrency: " in rows[1].why


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_is_written_is_one_document(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    writing = Writing(output=form)
    manifests = [documents.manifest_of(BUSY), documents.manifest_of(NEW)]
    for manifest in manifests:
        writing.say(manifest, "paused")

    writing.show(manifests, several=True)

    body = yaml.safe_load(capsys.readouterr().out)
    assert (body["kind"], body["items"]) == ("List", manifests)
    writing.show(manifests[:1], several=True)
    assert yaml.safe_load(capsys.readouterr().out)["items"] == manifests[:1]
    writing.show([], several=True)
    assert capsys.readouterr().out == ""
    writing.report(manifests[0], "created")
    assert yaml.safe_load(capsys.readouterr().out) == manifests[0]


def test_what_migrate_does_with_a_queue_that_is_there() -> None:
    there = queue("new", {"pool": "prod", "depth": 7, "clusters": ["x"]}, {"state": "Active"})

    [first, *_] = steps(BUSY, "prod", "new", there=there)

    assert first == (
        "leave queue new, which is in pool prod already, as it is; it differs from nightly in "
        "actionConcurrency, depth, description, idleTimeoutSeconds, priority, runConcurrency, tags, timeLimitActions"
    )
    assert steps(NEW, "prod", "new", there=replace_pool(NEW))[0].endswith("already, as it is")
    assert steps(BUSY, "prod", "new", there=None)[0].endswith("with the settings of nightly")


def replace_pool(of: JobQueue) -> JobQueue:
    return of.model_copy(update={"spec": of.spec.model_copy(update={"pool": "prod"})})


def test_why_a_job_waits() -> None:
    hold = Hold("ActionLimit", "1 of 1 Jobs is active", "raise the limit", NOW - 60)
    ahead = (Ahead("etl", "first", 0.0), Ahead("etl", "second", 600.0), Ahead("etl", "third", None))
    told = Explanation("etl", "train", "nightly", NOW - 600, (hold,), 4, ahead, 4000.0)

    same_as_file(why_page(told), "why-train.txt")
    endless = replace(told, holds=(), position=None, ahead=(), estimate=None)
    assert "none: what holds it does not end by itself" in why_page(endless)
    assert "too far off to be told" in why_page(replace(endless, too_far=True))
    assert "1, it is next" in why_page(replace(told, position=1))


def test_rows_that_come_later_stand_under_those_before() -> None:
    table = Table(
        [
            Column[tuple[str, object]]("A", lambda row: row[0]),
            Column[tuple[str, object]]("B", lambda row: row[1]),
        ]
    )

    lines = [*table.lines([("wide as this", None)]), *table.lines([("x", "two\nlines")])]

    assert lines == ["A              B", "wide as this   <none>", "x              two lines"]


def test_no_rows_have_no_headings() -> None:
    assert Table(COLUMNS).lines([]) == []


def test_wide_characters_take_two_columns() -> None:
    table = Table([Column[str]("A", lambda row: row), Column[str]("B", len)])

    assert table.lines(["日本", "abcd"]) == ["A      B", "日本   2", "abcd   4"]


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
        (10_799, "179m"), (10_800, "3h"), (11_100, "3h5m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"),
        (180_000, "2d2h"), (691_200, "8d"), (63_072_000, "2y"), (63_158_400, "2y1d"), (315_360_000, "10y"),
    ],
)  # fmt: skip
def test_durations_are_those_of_kubectl(length: float, said: str) -> None:
    assert ages.duration(length) == said


def test_an_age() -> None:
    assert ages.age("2026-03-01T11:59:00Z") == "60s"
    assert ages.age(None) == ages.age("never") == "<unknown>"
    assert ages.moment("2026-03-01T11:59:00Z") == "2026-03-01T11:59:00Z (60s ago)"


def test_documents_are_what_programs_read() -> None:
    manifest = documents.manifest_of(BUSY)

    assert documents.one(manifest, "name") == "jobqueue.headgate.dev/nightly\n"
    assert (
        json.loads(documents.one(manifest, "json"))
        == yaml.safe_load(documents.one(manifest, "yaml"))
        == manifest
    )
    assert JobQueue.parse(manifest) == BUSY
    both = json.loads(documents.many([manifest, manifest], "json"))
    assert (both["kind"], both["apiVersion"], len(both["items"])) == ("List", "v1", 2)
    assert documents.many([manifest, manifest], "name") == "jobqueue.headgate.dev/nightly\n" * 2


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_that_is_written_piece_by_piece_is_the_same_as_one_that_is_held(count: int) -> None:
    text = 'two\nlines, a "quote", and others\x85\u2028that end \\n a line'
    items = [{**documents.manifest_of(BUSY), "spec": {"description": text}} for _ in range(count)]
    whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}

    assert documents.many(items, "json") == documents.to_json(whole)
    assert documents.many(items, "yaml") == documents.to_yaml(whole)
    assert json.loads(documents.many(items, "json")) == yaml.safe_load(documents.many(items, "yaml")) == whole


def test_what_is_empty_is_left_out_of_a_manifest() -> None:
    manifest = documents.manifest_of(NEW)

    assert "status" not in manifest
    assert set(manifest["metadata"]) == {"name", "uid", "creationTimestamp", "generation"}


def test_json_is_indented_as_kubectl_does() -> None:
    assert documents.to_json({"a": [{"b": "  c"}]}) == (
        '{\n    "a": [\n        {\n            "b": "  c"\n        }\n    ]\n}\n'
    )


def test_a_job_is_named_with_its_group() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train"}}

    assert documents.resource_name(job) == "job.batch/train"
    assert documents.resource_name({"kind": "Pod", "metadata": {"name": "x"}}) == "pod/x"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nightly", "nightly"), ("jq/nightly", "nightly"), ("jobqueue.headgate.dev/nightly", "nightly"),
        ("JobQueue/nightly", "nightly"), ("job/nightly", "job/nightly"), ("a/b", "a/b"), ("jq/a/b", "a/b"),
        ("jobqueue.v1alpha1.headgate.dev/nightly", "nightly"),
    ],
)  # fmt: skip
def test_names_may_be_as_they_are_printed(text: str, name: str) -> None:
    assert documents.short_name(text, "jobqueue", "jq") == name


def test_names_of_jobs_may_be_as_kubectl_prints_them() -> None:
    for text in ("train", "job/train", "job.batch/train", "jobs.batch/train"):
        assert plain_job(text) == "train"
    assert plain_job("team-a/train") == "team-a/train"
    assert plain_job("jobs.batch/team-a/train") == "team-a/train"
