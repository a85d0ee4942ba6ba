"""What the tests of clusters ask, and wait for, holds also where an API server is too busy to answer."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.harness import rest
from tests.cluster.harness.client import ATTEMPTS, TIMED_OUT, Client, RefusedError
from tests.cluster.harness.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

CA = Path(__file__).parents[1] / "certificates" / "ca.crt"
MADE = {"metadata": {"name": "it"}}
BUSY = (429, "too many requests")
UNSURE = (500, f"etcdserver: {TIMED_OUT}")


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cluster.harness.client.time.sleep", lambda seconds: None)


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, one after the other; its address, and what it was asked."""
    left, asked = list(answers), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path}")
            status, body = left.pop(0)
            data = json.dumps(body if isinstance(body, dict) else {"message": body}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_what_was_not_carried_out_is_asked_again() -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        with answering(BUSY, (200, MADE)) as (server, asked):
            assert Client(server, "token", CA).call(method, "/it", {}) == MADE
        assert asked == [f"{method} /it"] * 2


def test_a_server_that_stays_busy_is_told() -> None:
    with answering(*[BUSY] * ATTEMPTS) as (server, _), pytest.raises(RefusedError) as refused:
        Client(server, "token", CA).get("/it")
    assert refused.value.status == 429


def test_what_may_have_been_carried_out_is_asked_again_where_that_does_no_harm() -> None:
    for method in ("GET", "PATCH"):
        with answering(UNSURE, (200, MADE)) as (server, asked):
            assert Client(server, "token", CA).call(method, "/it", {}) == MADE
        assert len(asked) == 2
    with answering(UNSURE) as (server, asked), pytest.raises(RefusedError):
        Client(server, "token", CA).call("DELETE", "/it")


def test_what_was_created_without_being_told_is_read() -> None:
    with answering(UNSURE, (409, "it is there"), (200, MADE)) as (server, asked):
        assert Client(server, "token", CA).create("/things", MADE) == MADE
    assert asked == ["POST /things", "POST /things", "GET /things/it"]


def test_what_is_there_already_is_refused() -> None:
    with answering((409, "it is there")) as (server, _), pytest.raises(RefusedError, match="it is there"):
        Client(server, "token", CA).create("/things", MADE)


def test_a_recorder_takes_no_refusal_for_a_list() -> None:
    nothing = {"metadata": {"resourceVersion": "7"}, "items": []}
    with answering(BUSY, (200, nothing)) as (server, asked):
        assert Recorder(server, "token", CA, watched={})._get("/things") == nothing
    assert len(asked) == 2


class World:
    """Writes so often that it is seen in these looks."""

    def __init__(self, *looks: int) -> None:
        self.looks = looks
        self.looked = 0

    def written(self, since: int) -> list[str]:
        self.looked += 1
        return ["a write"] if self.looked in self.looks else []

    def rests(self) -> tuple[int, dict[str, str]]:
        return rest.Watched(lambda: 0, self.written, lambda: {"it": "1"}).rests()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each wait be one look."""
    monkeypatch.setattr(rest, "QUIET_SECONDS", -1.0)
    monkeypatch.setattr(rest, "REST_SECONDS", 0.0)


@pytest.mark.usefixtures("short")
def test_a_rest_begins_anew_where_something_was_under_way() -> None:
    assert World(2, 4).rests() == (0, {"it": "1"})


@pytest.mark.usefixtures("short")
def test_what_writes_at_each_rest_does_not_rest() -> None:
    with pytest.raises(AssertionError, match="written at rest: \\['a write'\\]"):
        World(2, 4, 6).rests()
