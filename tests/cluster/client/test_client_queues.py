"""What the client does with queues, on a real API server and with an operator that leads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.cluster.harness.client import ENDLESS, PATIENCE, QUEUES, User, eventually

from headgate.client import (
    AlreadyExistsError,
    AlreadyPausedError,
    AsyncClient,
    Client,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    NotAuthenticatedError,
    NotFoundError,
    NotPausedError,
    RefusedError,
    TimeoutError,  # noqa: A004
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.harness.cluster import Site

    from headgate.client import QueueEvent

pytestmark = pytest.mark.usefixtures("operator")


def test_a_queue_from_creation_to_deletion(client: Client, given: User) -> None:
    name = given.full("life")
    with pytest.raises(RefusedError, match=r"^spec\.runConcurrency: .*-1.*greater than or equal to 0$"):
        client.queues.create(name, run_concurrency=-1, action_concurrency=0)
    client.queues.create(name, run_concurrency=1, action_concurrency=0, dry_run=True)
    with pytest.raises(NotFoundError, match=f'jobqueues.headgate.dev "{name}" not found') as missing:
        client.queues.get(name)
    assert (missing.value.reason, missing.value.status) == ("NotFound", 404)

    made = client.queues.create(
        name,
        run_concurrency=0,
        action_concurrency=1,
        description="for a test",
        priority="max",
        compute_environments=["reserved", "spot"],
        time_limit_actions=[{"reason": "InsufficientCapacity", "maxTimeSeconds": 600, "action": "Cancel"}],
        tags={"team": "search"},
        scheduling_policy=None,
    )

    assert (made.spec.action_concurrency, made.spec.priority_value, made.spec.depth) == (1, 100, 10000)
    assert [(one.name, one.order) for one in made.spec.compute_environments] == [("reserved", 1), ("spot", 2)]
    assert made.spec.time_limit_actions[0].max_time_seconds == 600
    with pytest.raises(AlreadyExistsError, match="already exists"):
        client.queues.create(name, run_concurrency=0, action_concurrency=0)

    changed = client.queues.update(name, action_concurrency=3, compute_environments=[])

    assert (changed.spec.action_concurrency, changed.spec.description) == (3, "for a test")
    with pytest.raises(RefusedError, match=r"^spec\.pool: .*a queue never changes its pool"):
        client.queues.update(name, pool="another")
    with pytest.raises(RefusedError, match="never gets one"):
        client.queues.update(name, scheduling_policy="fair")
    assert client.queues.wait(name, "Active", timeout=PATIENCE).to_dict()["status"]["jobs"]["total"] == 0

    given.job("one", "life", seconds=ENDLESS)
    given.until("life", active=1)
    with pytest.raises(RefusedError, match=rf'^JobQueue "{name}" cannot be deleted: it has 1 live Jobs'):
        client.queues.delete(name)
    assert client.queues.drain(name).spec.state == "Drained"
    with pytest.raises(
        TimeoutError, match=f'queue "{name}" is (Active|Draining) instead of Drained after 0.5 seconds'
    ):
        client.queues.wait(name, "Drained", timeout=0.5)
    assert client.queues.activate(name).spec.state == "Active"
    client.queues.wait(name, "Active", timeout=PATIENCE)
    client.queues.terminate(name)
    assert client.queues.wait(name, ["Terminated", "Drained"], timeout=PATIENCE).status.state == "Terminated"
    client.queues.delete(name, dry_run=True)
    client.queues.delete(name)
    with pytest.raises(NotFoundError):
        client.queues.wait(name, "Active")
    with pytest.raises(NotFoundError):
        client.queues.drain(name)


def test_pause_and_resume(client: Client, given: User) -> None:
    name = given.full("pause")
    given.queue("pause")
    with pytest.raises(NotPausedError, match=f'^queue "{name}" is not paused$'):
        client.queues.resume(name)

    assert client.queues.pause(name, note="upgrade").spec.dispatch.note == "upgrade"

    eventually(lambda: given.status("pause")["dispatch"]["paused"])
    with pytest.raises(
        AlreadyPausedError, match=f'^queue "{name}" is already paused by admin since .*: upgrade$'
    ):
        client.queues.pause(name, note="again")
    assert client.queues.get(name).spec.dispatch.note == "upgrade"
    assert client.queues.resume(name).spec.dispatch.paused is False


def test_tags(client: Client, given: User) -> None:
    name = given.full("tags")
    given.queue("tags", tags={"a": "1"})

    # All at the same time: each reads the queue again where another one was faster.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.queues.add_tags(name, {f"t{number}": "x"}), range(8)))

    assert client.queues.tags(name) == {"a": "1", **{f"t{number}": "x" for number in range(8)}}
    with pytest.raises(NotFoundError, match=f'^queue "{name}" has no tag "b"$'):
        client.queues.remove_tags(name, ["a", "b"])
    assert "a" in client.queues.tags(name)
    assert set(client.queues.remove_tags(name, [f"t{number}" for number in range(8)])) == {"a"}
    # By one write: it is all done, or nothing.
    with pytest.raises(RefusedError, match="Too long"):
        client.queues.tag(name, {"b": "x" * 300}, remove=["a"])
    with pytest.raises(ValueError, match="tag 'a': is to be set and to be removed"):
        client.queues.tag(name, {"a": "2"}, remove="a")
    assert client.queues.tag(name, {"b": "2"}, remove=["a"]).spec.tags == {"b": "2"}


def test_replace_whole(client: Client, given: User) -> None:
    name = given.full("whole")
    given.queue("whole", description="old", depth=5)
    manifest = client.queues.get_manifest(name)
    assert "managedFields" not in manifest["metadata"]
    older = client.queues.get(name)
    manifest["spec"] = {"runConcurrency": 2, "actionConcurrency": 2}

    replaced = client.queues.replace(manifest)

    assert (replaced.spec.depth, replaced.spec.description) == (10000, "")
    given.client.patch(f"{QUEUES}/{name}/status", {"status": {"drainedAt": "2026-01-01T00:00:00Z"}})
    again = replaced.spec.model_copy(update={"depth": 7})
    assert client.queues.replace(replaced.model_copy(update={"spec": again})).spec.depth == 7
    with pytest.raises(ConflictError, match="the object has been modified"):
        client.queues.replace(older)
    manifest = client.queues.get_manifest(name)
    manifest["spec"]["runConcurency"] = 3
    with pytest.raises(RefusedError, match=r'unknown field "spec.runConcurency"'):
        client.queues.replace(manifest)
    metadata = {"name": given.full("none"), "resourceVersion": "1"}
    with pytest.raises(NotFoundError):
        client.queues.replace({"metadata": metadata, "spec": {"runConcurrency": 1, "actionConcurrency": 1}})


def test_lists(client: Client, given: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(**filters: object) -> list[str]:
        found = client.queues.list(**filters)  # type: ignore[arg-type]
        return [queue.name.removeprefix(f"{given.namespace}-") for queue in found]

    mine = {"name": f"{given.namespace}-*"}
    for number in range(7):
        tags = {"team": "search" if number % 2 else "ads", "project": f"p{number // 4}"}
        given.queue(f"q{number}", priority=number % 3, tags=tags)
    given.queue("sealed", state="Sealed")
    for name in ("q0", "sealed"):
        client.queues.wait(given.full(name), ["Active", "Sealed"], timeout=PATIENCE)
    monkeypatch.setattr("headgate.client._connection.PAGE", 2)

    assert names(**mine) == [f"q{number}" for number in range(7)]
    assert names(**mine, all=True) == [f"q{number}" for number in range(7)] + ["sealed"]
    assert names(**mine, state="Sealed") == ["sealed"]
    assert names(**mine, limit=3) == ["q0", "q1", "q2"]
    assert names(**mine, limit=0) == names(**mine)
    assert names(**mine, limit=0, sort="name") == names(**mine)
    assert names(**mine, page_size=0) == names(**mine, page_size=3) == names(**mine)
    assert names(id=given.get_queue("q4")["metadata"]["uid"]) == ["q4"]
    assert names(id="nobody's") == []
    given.client.patch(f"{QUEUES}/{given.full('q5')}", {"metadata": {"labels": {"tier": "test"}}})
    assert names(**mine, label_selector="tier=test") == ["q5"]
    assert names(name=given.full("q3")) == ["q3"]
    assert names(**mine, tags={"team": "search"}) == ["q1", "q3", "q5"]
    assert names(**mine, tags=["team:ads", "project=p1"]) == ["q4", "q6"]
    assert names(**mine, project="p0", tags={"team": ["ads", "search"]}) == ["q0", "q1", "q2", "q3"]
    assert names(**mine, sort=["priority:desc", "name"], limit=4) == ["q2", "q5", "q1", "q4"]
    assert names(**mine, sort="name:desc")[0] == "q6"
    assert names(**mine, pool="default", creator="admin", limit=1) == ["q0"]
    assert names(**mine, pool="other") == names(**mine, creator="alice") == []
    eventually(lambda: given.status("q1")["clusters"])
    assert "q1" in names(**mine, cluster_state="Running")
    assert names(**mine, cluster_state="Terminated") == []
    assert set(client.queues.names()) >= {given.full("q0"), given.full("sealed")}
    manifests = list(client.queues.list_manifests(**mine, limit=1))  # type: ignore[arg-type]
    assert [(one["kind"], one["metadata"]["name"]) for one in manifests] == [("JobQueue", given.full("q0"))]
    with pytest.raises(TypeError, match="a list of queues has no bogus; there are id, creator"):
        names(bogus="x")
    with pytest.raises(ValueError, match="sort: 'size' is not FIELD"):
        names(sort="size")
    with pytest.raises(ValueError, match=r"state: must be one of Active, .* not 'Full'"):
        names(state="Full")


def test_watch(client: Client, given: User) -> None:
    given.queue("seen")
    name = given.full("seen")
    began = threading.Event()

    def change() -> None:
        began.wait(60)
        client.queues.update(name, description="changed")
        client.queues.delete(name)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(change)
        seen: list[QueueEvent] = []
        for event in client.queues.watch(name):
            seen.append(event)
            began.set()
            if event.type == "DELETED":
                break
        done.result()

    assert seen[0][0] == "ADDED"
    assert {type_ for type_, _ in seen[1:-1]} == {"MODIFIED"}
    assert seen[-1].queue.spec.description == "changed"


def test_a_watch_with_filters(client: Client, given: User) -> None:
    for name in ("one", "two", "other"):
        given.queue(name, tags={"team": "search" if name == "one" else "ranking"})
    one, two = given.full("one"), given.full("two")
    after = client.queues.version()
    client.queues.update(given.full("other"), description="not looked for")
    client.queues.update(two, description="seen")
    client.queues.add_tags(one, {"team": "ranking"})
    client.queues.add_tags(two, {"team": "search"})

    # The operator may write statuses at any time.
    told: dict[str, list[str]] = {}
    for event in client.queues.watch(f"{given.namespace}-*o*", after=after, tags={"team": "ranking"}):
        told.setdefault(event.queue.name, []).append(event.type)
        assert event.queue.spec.tags == {"team": "ranking"}
        if event.type == "DELETED":
            break
    assert {(name, types[0]) for name, types in told.items()} == {
        (given.full("other"), "ADDED"),
        (two, "ADDED"),
        (one, "ADDED"),
    }
    assert [name for name, types in told.items() if types[-1] == "DELETED"] == [two]
    client.queues.archive(one)
    # To who does not look for sealed ones, it is as if it were gone.
    for event in client.queues.watch(one, all=False, after=after):
        if event.type == "DELETED":
            break
    with pytest.raises(ValueError, match="state: must be one of"):
        next(client.queues.watch(state="Full"))


async def test_the_same_with_asyncio(site: Site, given: User) -> None:
    given.queue("one")
    async with AsyncClient.connect(str(site.cluster.kubeconfig)) as client:
        assert (await client.whoami()).username == "admin"
        assert [queue.name async for queue in client.queues.list(name=given.full("*"))] == [given.full("one")]

        async def paused() -> str:
            async for event in client.queues.watch(given.full("one")):
                if event.queue.spec.dispatch.paused:
                    return event.queue.spec.dispatch.note
            return ""

        watching = asyncio.create_task(paused())
        await client.queues.pause(given.full("one"), note="now")
        assert await asyncio.wait_for(watching, PATIENCE) == "now"
    with pytest.raises(RuntimeError, match="the client was closed"):
        await client.queues.get("one")


def test_rights(
    viewer: Client, editor: Client, site: Site, given: User, kubeconfig_with: Callable[[str], Path]
) -> None:
    given.queue("seen")
    name = given.full("seen")

    assert viewer.queues.get(name).name == name
    assert viewer.can("list", "jobqueues")
    assert not viewer.can("update", "jobqueues")
    with pytest.raises(
        ForbiddenError, match=r"may not update jobqueues.headgate.dev in the whole cluster; .*-editor"
    ) as no:
        viewer.queues.pause(name)
    assert no.value.right == "update jobqueues.headgate.dev"
    editor.queues.pause(name, note="by the editor")
    assert editor.whoami().username.startswith("system:serviceaccount:default:user-")
    with Client.connect(str(kubeconfig_with(""))) as nobody, pytest.raises(ForbiddenError) as no:
        nobody.queues.names()
    assert no.value.right == "list jobqueues.headgate.dev"
    assert "headgate-viewer" in str(no.value)


def test_what_cannot_be_connected_to(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = site.cluster.kubeconfig.read_text()
    broken = tmp_path / "broken"
    token = site.cluster.tokens["admin"]
    broken.write_text(right.replace(token, "nonsense"))
    with Client.connect(str(broken)) as client, pytest.raises(NotAuthenticatedError, match="credentials"):
        client.queues.get("default")
    broken.write_text(right.replace(site.cluster.server, "https://127.0.0.1:1"))
    with Client.connect(str(broken)) as client:
        with pytest.raises(UnreachableError, match=r"https://127\.0\.0\.1:1 does not answer"):
            client.queues.get("default")
        with pytest.raises(UnreachableError, match="does not answer"):
            next(client.queues.watch())
    with pytest.raises(ConfigurationError, match='no context "nowhere"'):
        Client.connect(str(site.cluster.kubeconfig), context="nowhere").whoami()
    with pytest.raises(ConfigurationError, match=r"there is no kubeconfig .*missing"):
        Client.connect(str(tmp_path / "missing")).whoami()
    broken.write_text("[")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Client.connect(str(broken)).whoami()
