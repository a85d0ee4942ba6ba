"""An independent witness: it watches the API server beside the operator and writes down what it sees.

It shares no code with Headgate. What the operator says about itself is no evidence; this record is.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import urllib3

from tests.cluster.harness.client import ATTEMPTS, ENVIRONMENTS, JOBS, POLICIES, POOLS, QUEUES, eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Json = dict[str, Any]

BRIEF = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A list of nothing but the metadata of objects."""
WATCHED = {
    "Job": JOBS,
    "JobQueue": QUEUES,
    "ClusterPool": POOLS,
    "ComputeEnvironment": ENVIRONMENTS,
    "SchedulingPolicy": POLICIES,
}


@dataclass(frozen=True)
class Seen:
    """One revision of one object."""

    revision: int
    kind: str
    deleted: bool
    body: Json
    at: float = 0.0
    """When the recorder saw it (seconds since the epoch)."""
    relisted: bool = False
    """Whether the revisions before it may be missing."""

    @property
    def name(self) -> str:
        name: str = self.body["metadata"]["name"]
        return name

    @property
    def uid(self) -> str:
        uid: str = self.body["metadata"]["uid"]
        return uid


class Recorder:
    """Records every revision of some kinds (the paths of whose lists `watched` gives) from its start to its stop."""

    def __init__(
        self, server: str, token: str, ca_file: Path, *, watched: Mapping[str, str] = WATCHED
    ) -> None:
        self._server = server
        self._watched = watched
        self._headers = {"Authorization": f"Bearer {token}"}
        self._http = urllib3.PoolManager(maxsize=8, ca_certs=str(ca_file), retries=False)
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._since: dict[str, int] = {}
        """The revision after which each kind is watched."""
        self._newest: dict[str, int] = {}
        """The newest revision seen of each object, by UID."""
        self._there: dict[str, dict[str, Json]] = defaultdict(dict)
        """What is there of each kind, as far as seen, by UID."""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: dict[str, urllib3.BaseHTTPResponse] = {}
        self.failure: str | None = None
        self.may_relist = False
        """Whether the test restarts the API server, which then remembers no revisions from before."""
        self.mangled: set[str] = set()
        """Queues whose status the test spoils."""

    def start(self) -> Self:
        """Begin with a list of what is there, then follow.

        Jobs of tests before this one are left out: they may be many, and nothing that they did is this test's.
        """
        for kind, path in self._watched.items():
            listed = self._get(path if kind != "Job" else f"{path}?limit=1")
            version = listed["metadata"]["resourceVersion"]
            self._since[kind] = int(version)
            if kind != "Job":
                for body in listed["items"]:
                    self._note(kind, body, deleted=False)
            thread = threading.Thread(target=self._follow, args=(kind, path, version), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Record no more."""
        self._stop.set()
        with self._lock:
            for answer in self._open.values():
                with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended by itself
                    answer.shutdown()
        for thread in self._threads:
            thread.join(timeout=10)

    def record(self) -> list[Seen]:
        """Return what happened up to now, in the order in which it happened.

        A watch tells a little later than a list does, so this waits until all that is there now has been told.
        """
        wanted = {
            body["metadata"]["uid"]: int(body["metadata"]["resourceVersion"])
            for kind, path in self._watched.items()
            for body in self._get(path, accept=BRIEF)["items"] or ()
            if int(body["metadata"]["resourceVersion"]) > self._since[kind]
        }
        eventually(lambda: self._has_seen(wanted), every=0.02)
        if self.failure:
            raise AssertionError(f"the recorder missed something: {self.failure}")
        with self._lock:
            return sorted(self._seen, key=lambda seen: seen.revision)

    def _has_seen(self, wanted: dict[str, int]) -> bool:
        with self._lock:
            late = [uid for uid, revision in wanted.items() if self._newest.get(uid, 0) < revision]
        assert self.failure or not late, f"the recorder has not seen the newest revisions of {late[:3]}"
        return True

    def _follow(self, kind: str, path: str, version: str) -> None:
        while not self._stop.is_set():
            try:
                version = self._watch(kind, path, version)
            except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError, KeyError):
                # The API server was restarted, was silent for long, or is not ready for a list: go on where it stopped.
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
        with self._lock:
            self._open[kind] = answer
        try:
            if answer.status != 200:
                raise OSError(answer.status)
            if self._stop.is_set():
                return version
            rest = b""
            for chunk in answer.stream(65536):
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return self._lost(kind, path, version, event["object"].get("message"))
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._note(kind, event["object"], deleted=event["type"] == "DELETED")
                if self._stop.is_set():
                    return version
        except urllib3.exceptions.ReadTimeoutError:
            return version
        finally:
            with self._lock:
                self._open.pop(kind, None)
            answer.close()
        return version

    def _lost(self, kind: str, path: str, version: str, why: str) -> str:
        if not self.may_relist:
            self.failure = f"the watch of {kind} was lost: {why}"
            return version
        listed = self._get(path)
        for body in listed["items"]:
            if int(body["metadata"]["resourceVersion"]) > int(version):
                self._note(kind, body, deleted=False, relisted=True)
        now: str = listed["metadata"]["resourceVersion"]
        left = {body["metadata"]["uid"] for body in listed["items"]}
        for uid, body in list(self._there[kind].items()):
            if uid not in left:
                gone = {**body, "metadata": {**body["metadata"], "resourceVersion": now}}
                self._note(kind, gone, deleted=True, relisted=True)
        return now

    def _note(self, kind: str, body: Json, *, deleted: bool, relisted: bool = False) -> None:
        body["metadata"].pop("managedFields", None)
        revision = int(body["metadata"]["resourceVersion"])
        with self._lock:
            self._seen.append(Seen(revision, kind, deleted, body, time.time(), relisted))
            self._newest[body["metadata"]["uid"]] = revision
            if deleted:
                self._there[kind].pop(body["metadata"]["uid"], None)
            else:
                self._there[kind][body["metadata"]["uid"]] = body

    def _get(self, path: str, *, accept: str = "application/json") -> Json:
        headers = {**self._headers, "Accept": accept}
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._http.request("GET", self._server + path, headers=headers)
            if answer.status == 200:
                body: Json = json.loads(answer.data)
                return body
            time.sleep(attempt)
        raise OSError(answer.status, answer.data[:500])
