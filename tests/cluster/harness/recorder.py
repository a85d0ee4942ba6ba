"""An independent witness: it watches the API server beside the operator and writes down what it sees.

It shares no code with Headgate. What the operator says about itself is no evidence; this record is.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import urllib3

from tests.cluster.harness.client import JOBS, POOLS, QUEUES

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One revision of one object."""

    revision: int
    kind: str
    deleted: bool
    body: Json

    @property
    def name(self) -> str:
        name: str = self.body["metadata"]["name"]
        return name

    @property
    def uid(self) -> str:
        uid: str = self.body["metadata"]["uid"]
        return uid


class Recorder:
    """Records every revision of Jobs, queues and pools from its start to its stop."""

    def __init__(self, server: str, token: str, ca_file: Path) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(maxsize=4, ca_certs=str(ca_file), retries=False)
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failure: str | None = None

    def start(self) -> Self:
        """Begin with a list of what is there, then follow."""
        for kind, path in (("Job", JOBS), ("JobQueue", QUEUES), ("ClusterPool", POOLS)):
            listed = self._get(path)
            version = listed["metadata"]["resourceVersion"]
            for body in listed["items"]:
                self._note(kind, body, deleted=False)
            thread = threading.Thread(target=self._follow, args=(kind, path, version), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Record no more."""
        self._stop.set()
        self._http.clear()
        for thread in self._threads:
            thread.join(timeout=3)

    def record(self) -> list[Seen]:
        """Return what was seen so far, in the order in which it happened."""
        if self.failure:
            raise AssertionError(f"the recorder missed something: {self.failure}")
        with self._lock:
            return sorted(self._seen, key=lambda seen: seen.revision)

    def _follow(self, kind: str, path: str, version: str) -> None:
        while not self._stop.is_set():
            try:
                version = self._watch(kind, path, version)
            except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
                # The API server was restarted, or it was silent for long: go on where it stopped.
                self._stop.wait(0.2)

    def _watch(self, kind: str, path: str, version: str) -> str:
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={version}"
        answer = self._http.request(
            "GET",
            self._server + path + query,
            headers=self._headers,
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=5),
        )
        try:
            if answer.status != 200:
                raise OSError(answer.status)
            rest = b""
            for chunk in answer.stream(65536):
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        self.failure = f"the watch of {kind} was lost: {event['object'].get('message')}"
                        return version
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._note(kind, event["object"], deleted=event["type"] == "DELETED")
                if self._stop.is_set():
                    return version
        except urllib3.exceptions.ReadTimeoutError:
            return version
        finally:
            answer.close()
        return version

    def _note(self, kind: str, body: Json, *, deleted: bool) -> None:
        body["metadata"].pop("managedFields", None)
        with self._lock:
            self._seen.append(Seen(int(body["metadata"]["resourceVersion"]), kind, deleted, body))

    def _get(self, path: str) -> Json:
        answer = self._http.request("GET", self._server + path, headers=self._headers)
        body: Json = json.loads(answer.data)
        return body
