"""Who created and who paused a queue is who the API server authenticated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster.policies.support import Api, eventually, queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.cluster import Kubectl

pytestmark = pytest.mark.cluster


CREATED_BY = "headgate.dev/created-by"
PAUSED_BY = "headgate.dev/paused-by"
PAUSE = {"spec": {"dispatch": {"paused": True}}}


@pytest.fixture
def editors(kubectl: Kubectl, control_plane: object, namespace: str) -> Iterator[None]:
    """Alice and bob may write queues. Not with the verb "*": that would contain "admit"."""
    name = f"queue-writer-{namespace}"
    verbs = "--verb=get,create,update,patch"
    kubectl("create", "clusterrole", name, verbs, "--resource=jobqueues.headgate.dev")
    kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=alice", "--user=bob")
    yield
    kubectl("delete", "clusterrole,clusterrolebinding", name)


@pytest.fixture
def mine(api: Api, editors: None, namespace: str) -> str:
    """A queue that alice created, who claims that bob did."""
    name = f"authors-{namespace}"
    body = queue(name, annotations={CREATED_BY: "bob", PAUSED_BY: "bob", "mine": "kept"})
    eventually(lambda: api.create(body, user="alice").accepted())
    return name


def test_the_creator_cannot_be_forged(api: Api, mine: str) -> None:
    assert api.annotations("jobqueue", mine) == {CREATED_BY: "alice", "mine": "kept"}
    for change in ("bob", None):
        api.patch(
            "jobqueue", mine, {"metadata": {"annotations": {CREATED_BY: change}}}, user="bob"
        ).accepted()
        assert api.annotations("jobqueue", mine)[CREATED_BY] == "alice"


def test_who_pauses_is_recorded_and_stays(api: Api, mine: str) -> None:
    forged = {"metadata": {"annotations": {PAUSED_BY: "alice"}}}
    api.patch("jobqueue", mine, {**PAUSE, **forged}, user="bob").accepted()
    assert api.annotations("jobqueue", mine)[PAUSED_BY] == "bob"
    api.patch("jobqueue", mine, {**PAUSE, **forged}, user="alice").accepted()
    api.patch("jobqueue", mine, {"metadata": {"annotations": {PAUSED_BY: None}}}, user="alice").accepted()
    assert api.annotations("jobqueue", mine)[PAUSED_BY] == "bob"
    api.patch("jobqueue", mine, {"spec": {"dispatch": {"paused": False}}}, user="alice").accepted()
    assert PAUSED_BY not in api.annotations("jobqueue", mine)
    api.patch("jobqueue", mine, forged, user="bob").accepted()
    assert PAUSED_BY not in api.annotations("jobqueue", mine)


def test_a_replace_without_annotations_keeps_them(api: Api, mine: str) -> None:
    api.patch("jobqueue", mine, PAUSE, user="bob").accepted()
    body = queue(mine, dispatch={"paused": True})
    del body["metadata"]["annotations"]
    api.send("replace", body, user="alice").accepted()
    assert api.annotations("jobqueue", mine) == {CREATED_BY: "alice", PAUSED_BY: "bob"}


def test_a_queue_born_paused(api: Api, editors: None, namespace: str) -> None:
    body = queue(f"paused-{namespace}", dispatch={"paused": True}, annotations={PAUSED_BY: "bob"})
    eventually(lambda: api.create(body, user="alice").accepted())
    assert api.annotations("jobqueue", f"paused-{namespace}") == {CREATED_BY: "alice", PAUSED_BY: "alice"}
