"""What people write: lengths of time, times, and manifests."""

from __future__ import annotations

import time
from typing import Any

import pytest
import typer

from headgate.cli.durations import read_duration, read_seconds, read_since
from headgate.cli.errors import Problem
from headgate.cli.manifests import read_manifest


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("0.5", 0.5),
        ("10m", 600.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("2d", 172_800.0),
    ],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "5 m", "10x", "m", "1h30", "nan", "inf", "1e3"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be such as 90s, 10m or 1h30m"):
        read_duration(text)


def test_whole_seconds() -> None:
    assert read_seconds("1h") == 3600
    with pytest.raises(typer.BadParameter, match="must be whole seconds"):
        read_seconds("1.5")


def test_since_when() -> None:
    assert read_since("2026-03-01T12:00:00Z") == 1_772_366_400.0
    before = time.time()
    assert before - 5400 <= read_since("1h30m") <= time.time() - 5400
    for text in ("90", "soon", "12:00"):
        with pytest.raises(typer.BadParameter, match="must be such as 90m, 1h30m or 7d, or a time"):
            read_since(text)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("labels: {7: a, true: b, 2.5: c}", {"labels": {"7": "a", "true": "b", "2.5": "c"}}),
        ("when: 2026-03-01\nat: 2026-03-01 12:00:00", {"when": "2026-03-01", "at": "2026-03-01 12:00:00"}),
        ("[{a: [{1: x}]}]", [{"a": [{"1": "x"}]}]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("", None),
    ],
)
def test_a_manifest_is_what_json_can_say(text: str, body: Any) -> None:
    assert read_manifest(text) == body


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("spec: {a: !!binary aGVsbG8=}", r"^spec\.a: must be something that JSON can say, not b'hello'$"),
        ("a: [.nan]", r"^a\[0\]: must be something that JSON can say, not nan$"),
        ("a: !!set {b}", "^a: must be something that JSON can say"),
        ("a: {? !!binary aGVsbG8= : b}", r"^a: the keys must be text, not b'hello'$"),
        ("a: {? [1, 2] : b}", "^this is not YAML: "),
        ("a: &x [*x]", "makes no sense as YAML|must be something"),
        ("a: [", "^this is not YAML: "),
        ("a: 1\n---\nb: 2", "^this is not YAML: "),
        ("a: !!python/object:os.system {}", "^this is not YAML: "),
    ],
)
def test_a_manifest_that_makes_no_sense(text: str, wrong: str) -> None:
    with pytest.raises(Problem, match=wrong):
        read_manifest(text)
