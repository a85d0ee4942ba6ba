"""What the client does with Jobs, on a real API server and with an operator that leads."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster.harness.client import ENDLESS, JOBS, PATIENCE, User, eventually, next_second

from headgate.client import (
    AsyncClient,
    AsyncJobList,
    Client,
    ForbiddenError,
    JobList,
    NotFoundError,
    RefusedError,
    TimeoutError,  # noqa: A004
    async_get_job,
    async_job_list,
    async_job_list_id,
    async_job_list_inactive,
    get_job,
    job_list,
    job_list_id,
    job_list_inactive,
)
from headgate.kube.client import Api

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Site

    from headgate.client import JobInfo

pytestmark = pytest.mark.usefixtures("operator")


def test_submit_and_wait(client: Client, given: User) -> None:
    given.queue("line")
    queue = given.full("line")

    # The API server learns of a new queue a moment later.
    eventually(lambda: client.jobs.submit("none", "true", queue=queue, dry_run=True).pool == "default")

    job = client.jobs.submit("none", ["true"], queue=queue, cpu="250m", parallelism=2, deadline=600, run="r1")

    assert job.name.startswith(f"{queue}-")
    assert (job.username, job.queue, job.pool, job.state) == ("admin", queue, "default", "sched")
    assert (job.ncores, job.run, job.duration) == (0.5, "r1", 600.0)
    done = client.jobs.wait(job.name, timeout=PATIENCE)
    assert (done.state, done.result, done.returncode, done.cluster) == ("inactive", "completed", 0, "local")
    assert done.t_run is not None
    assert done.t_inactive is not None
    assert done.t_submit - 1 <= done.t_run <= done.t_inactive + 1
    assert client.jobs.get(f"{given.namespace}/{job.name}") == done


def test_what_is_refused(client: Client, given: User) -> None:
    given.queue("line", state="Drained")
    queue = given.full("line")
    given.refuses("line", "Drained")
    with pytest.raises(RefusedError, match=rf'queue "{queue}"') as refused:
        client.jobs.submit("none", "true", queue=queue)
    assert "ValidatingAdmissionPolicy" not in str(refused.value)
    given.queue("open")
    body = given.job_body("one", "open")
    with pytest.raises(RefusedError, match="must be an integer from 0 to 9999"):
        client.jobs.submit("none", "true", queue=given.full("open"), priority=10000)
    with pytest.raises(RefusedError, match=r'unknown field "spec.paralelism"'):
        client.jobs.submit_manifest({**body, "spec": {**body["spec"], "paralelism": 2}})
    with pytest.raises(ValueError, match="is required: name a queue"):
        client.jobs.submit_manifest({"metadata": {"name": "one"}, "spec": body["spec"]})
    with pytest.raises(ValueError, match="kind: must be Job, not 'Pod'"):
        client.jobs.submit_manifest({**body, "kind": "Pod"})
    client.jobs.submit_manifest(body, dry_run=True)
    with pytest.raises(NotFoundError, match=r'jobs\.batch "one" not found'):
        client.jobs.get("one")
    moved = client.jobs.submit_manifest({**body, "metadata": {"name": "one"}}, queue=given.full("open"))
    assert moved.queue == given.full("open")


def test_states(client: Client, given: User) -> None:
    given.queue("line")
    queue = given.full("line")
    given.job("first", "line", seconds=ENDLESS)
    client.jobs.submit("none", "true", queue=queue, name="held", hold=True)
    client.jobs.submit("none", "true", queue=queue, name="second", depends_on=["first"], hold=True)

    eventually(lambda: client.jobs.get("first").state == "run")
    assert client.jobs.get("held").state == "priority"
    assert client.jobs.get("second").state == "depend"
    given.end("first")
    assert client.jobs.wait("first", timeout=PATIENCE).result == "completed"
    # What it depends on has succeeded; only the hold is left.
    assert client.jobs.get("second").state == "priority"
    given.annotate("second", hold=None)
    assert client.jobs.wait("second", timeout=PATIENCE).result == "completed"
    given.job("late", "line", seconds=ENDLESS, activeDeadlineSeconds=1)
    given.job("wrong", "line", seconds=0.1, fail=True)
    late, wrong = client.jobs.wait("late", timeout=PATIENCE), client.jobs.wait("wrong", timeout=PATIENCE)
    assert (late.result, late.exception.type if late.exception else "") == ("timeout", "DeadlineExceeded")
    assert (wrong.result, wrong.exception.type if wrong.exception else "") == (
        "failed",
        "BackoffLimitExceeded",
    )


def test_cancel(client: Client, editor: Client, viewer: Client, given: User) -> None:
    given.queue("line", actionConcurrency=1)
    given.job("runs", "line", seconds=ENDLESS)
    given.until("line", active=1)
    given.job("waits", "line")
    given.job("other", "line")

    assert client.jobs.cancel("waits", dry_run=True) == "canceled"
    assert client.jobs.get("waits").result is None
    for name in ("waits", "runs"):
        assert client.jobs.cancel(name, message="not needed" if name == "waits" else "") == "canceled"
        assert client.jobs.wait(name, timeout=PATIENCE).result == "canceled"
    waits, runs = client.jobs.get("waits").exception, client.jobs.get("runs").exception
    assert waits is not None
    assert runs is not None
    assert (waits.type, waits.note, runs.note) == ("Canceled", "not needed", "canceled by admin")
    with pytest.raises(RefusedError, match=r'Job ".*/runs" is finished already: canceled'):
        client.jobs.cancel("runs")

    given.change_queue("line", dispatch={"paused": True})
    eventually(lambda: given.status("line")["dispatch"]["paused"])
    given.job("mine", "line")
    with pytest.raises(ForbiddenError) as no:
        viewer.jobs.cancel("mine", namespace=given.namespace)
    assert no.value.right == "delete jobs.batch"
    assert editor.jobs.cancel(f"{given.namespace}/mine") == "deleted"
    eventually(lambda: "mine" not in client.jobs.names())
    with pytest.raises(NotFoundError, match="not found"):
        client.jobs.cancel("mine")


def test_lists(client: Client, given: User, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    given.queue("line", dispatch={"paused": True})
    given.queue("else", dispatch={"paused": True})
    for number in range(3):
        given.job(f"old-{number}", "line")
    next_second()
    alice = User(site.client_of("alice"), given.namespace)
    for number in range(3):
        alice.job(f"new-{number}", "line", annotations={"headgate.dev/depends-on": "nothing"})
    next_second()
    given.job("last", "else")
    monkeypatch.setattr("headgate.client._connection.PAGE", 2)

    def names(**filters: object) -> list[str]:
        return [job.name for job in client.jobs.list(**filters)]  # type: ignore[arg-type]

    assert names()[0] == "last"
    assert {*names()[1:4]} == {"new-0", "new-1", "new-2"}
    assert len(names()) == 7
    assert names(limit=1) == ["last"]
    assert names(limit=0) == sorted(names())
    assert {*names(limit=2, queue=given.full("line"))} <= {"new-0", "new-1", "new-2"}
    assert {*names(user="alice")} == {"new-0", "new-1", "new-2"} == {*names(filters="depend")}
    assert {*names(filters=["sched"])} == {"last", "old-0", "old-1", "old-2"}
    assert names(name="old-1") == ["old-1"]
    assert names(sort=["queue:desc", "name:desc"])[:2] == ["old-2", "old-1"]
    assert names(sort="name", limit=0, page_size=3) == sorted(names())
    left_out: list[int] = []
    assert names(sort="name", limit=4, on_left_out=left_out.append) == ["last", "new-0", "new-1", "new-2"]
    assert left_out == [3]
    assert names(limit=7, on_left_out=left_out.append)[0] == "last"
    assert left_out == [3]
    given.client.patch(f"{given.jobs_path}/old-2", {"metadata": {"labels": {"app": "train"}}})
    assert (
        names(label_selector="app=train")
        == names(label_selector="app", queue=given.full("line"))
        == ["old-2"]
    )
    assert names(filters="inactive") == names(namespace=site.namespace()) == []
    assert names(name="last", all_namespaces=True, queue=given.full("else")) == ["last"]
    assert {*client.jobs.names()} == {*names()}
    manifests = list(client.jobs.list_manifests(limit=1))
    assert [(one["kind"], one["metadata"]["name"]) for one in manifests] == [("Job", "last")]
    assert "managedFields" not in manifests[0]["metadata"]
    with pytest.raises(ValueError, match="not 'done'"):
        names(filters=["done"])
    client.jobs.cancel("old-0")
    ended = client.jobs.wait("old-0", timeout=PATIENCE)
    assert names(filters="canceled", since=(ended.t_inactive or 0.0) - 1) == ["old-0"]
    assert names(filters="canceled", since=ended.t_inactive) == []


def test_pages_have_the_size_that_is_asked_for(
    client: Client, given: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.queue("line", dispatch={"paused": True})
    for number in range(5):
        given.job(f"job-{number}", "line")
    sizes: list[str] = []
    call = Api.call

    async def counted(api: Api, method: str, path: str, *rest: Any, **more: Any) -> dict[str, Any]:
        sizes.append((more.get("params") or {}).get("limit", ""))
        return await call(api, method, path, *rest, **more)

    monkeypatch.setattr(Api, "call", counted)
    for size, asked in ((2, ["2", "2", "2"]), (0, ["0"]), (None, ["500"])):
        sizes.clear()
        assert len(list(client.jobs.list(page_size=size))) == 5
        assert sizes == asked


def test_watch_and_wait(client: Client, given: User, viewer: Client) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("seen", "line")
    began = threading.Event()

    def change() -> None:
        began.wait(60)
        client.jobs.cancel("seen")
        eventually(lambda: client.jobs.get("seen").result == "canceled")
        given.client.delete(f"{given.jobs_path}/seen")

    seen: list[tuple[str, JobInfo]] = []
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(change)
        for event in viewer.jobs.watch(queue=given.full("line"), namespace=given.namespace):
            seen.append((event.type, event.job))
            began.set()
            if event.type == "DELETED":
                break
        done.result()
    assert (seen[0][0], seen[0][1].state) == ("ADDED", "sched")
    assert seen[-1][1].result == "canceled"

    given.job("stays", "line")
    with pytest.raises(TimeoutError, match=r'Job ".*/stays" is not finished \(sched\) after 0.2 seconds'):
        client.jobs.wait("stays", timeout=0.2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.jobs.wait, "stays", timeout=PATIENCE)
        given.client.delete(f"{given.jobs_path}/stays")
        with pytest.raises(NotFoundError, match=r"was deleted before it was finished|not found"):
            waiting.result()


def test_a_watch_asks_for_nothing_that_it_is_told(
    client: Client, given: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.queue("line", dispatch={"paused": True})
    given.queue("else", dispatch={"paused": True})
    given.job("old", "line")
    after = client.jobs.version()
    asked: list[str] = []
    call = Api.call

    async def counted(api: Api, method: str, path: str, *rest: Any, **more: Any) -> dict[str, Any]:
        asked.append(path.rpartition("/")[2])
        return await call(api, method, path, *rest, **more)

    monkeypatch.setattr(Api, "call", counted)
    given.job("first", "line")
    given.job("elsewhere", "else")
    for number in range(3):
        given.job(f"next-{number}", "line", annotations={"headgate.dev/depends-on": "first"})
    given.job("last", "line", annotations={"headgate.dev/depends-on": "elsewhere"})
    given.job("end", "line")
    given.client.delete(f"{given.jobs_path}/end")

    seen: dict[str, list[tuple[str, str]]] = {}
    for type_, job in client.jobs.watch(filters="depend", queue=given.full("line"), after=after):
        seen.setdefault(job.name, []).append((type_, job.state))
        if job.name == "last":
            break
    # Of what waits for a Job that the watch shows, nothing is asked; nor of what could not be listed.
    assert set(seen) == {"next-0", "next-1", "next-2", "last"}
    assert all(told[0] == ("ADDED", "depend") for told in seen.values())
    assert set(asked) == {"elsewhere"}

    asked.clear()
    seen.clear()
    for type_, job in client.jobs.watch(user="admin", queue=given.full("line"), after=after):
        seen.setdefault(job.name, []).append((type_, job.state))
        if type_ == "DELETED":
            break
    assert "old" not in seen
    assert seen["end"][-1][0] == "DELETED"
    assert set(asked) <= {"elsewhere"}
    assert [type_ for type_, _ in seen["next-1"]] == ["ADDED"] + ["MODIFIED"] * (len(seen["next-1"]) - 1)
    # Without a version, what is there comes first.
    assert next(client.jobs.watch(name="old")).type == "ADDED"
    with pytest.raises(ValueError, match="not 'done'"):
        next(client.jobs.watch(filters="done"))


def test_a_watch_tells_what_does_not_meet_its_filters_any_more(client: Client, given: User) -> None:
    given.queue("line", dispatch={"paused": True})
    given.job("first", "line")
    events = client.jobs.watch(filters="sched", queue=given.full("line"))
    added = next(events)
    assert (added.type, added.job.state) == ("ADDED", "sched")
    given.annotate("first", hold="true")
    # The Job controller may note meanwhile that it is suspended.
    gone = next(event for event in events if event.type != "MODIFIED")
    assert (gone.type, gone.job.state) == ("DELETED", "priority")
    given.annotate("first", hold=None)
    assert next(event.type for event in events) == "ADDED"


MANY = 400


def test_a_list_holds_no_more_than_a_page_and_what_it_gives(
    client: Client, given: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.queue("line", dispatch={"paused": True}, depth=0)
    given.jobs(MANY, "line")
    monkeypatch.setattr("headgate.client._connection.PAGE", 10)
    # Whatever is imported and cached on the way is there by now.
    assert len(list(client.jobs.list(limit=10))) == 10

    tracemalloc.start()
    try:
        held = list(client.jobs.list_manifests(limit=MANY))
        whole, _ = tracemalloc.get_traced_memory()
        assert len(held) == MANY
        held.clear()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert len(list(client.jobs.list(limit=20))) == 20
        assert sum(1 for _ in client.jobs.list(limit=0)) == MANY
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < (whole - before) / 3, (peak, before, whole)
    given.client.call("DELETE", f"{given.jobs_path}?propagationPolicy=Background")


def test_the_words_of_flux(client: Client, given: User, site: Site) -> None:
    given.queue("line")
    given.job("done", "line", seconds=0.1)
    given.job("wrong", "line", seconds=0.1, fail=True)
    client.jobs.wait("done", timeout=PATIENCE)
    client.jobs.wait("wrong", timeout=PATIENCE)
    next_second()
    given.queue("paused", dispatch={"paused": True})
    alice = User(site.client_of("alice"), given.namespace)
    alice.job("waits", "paused")

    everything = JobList(client)
    future = everything.fetch_jobs()
    assert everything.jobs()[0].name == "waits"
    assert future.is_ready()
    assert {job["name"] for job in future.get_jobs()} == {"done", "wrong", "waits"}
    chosen = JobList(client, filters=["completed"], max_entries=0)
    chosen.add_filter("failed")
    assert {job.name for job in chosen.jobs()} == {"done", "wrong"}
    with pytest.raises(ValueError, match="not 'lost'"):
        chosen.add_filter("lost")
    hers = JobList(client, ["name", "state"], filters=["pending"], queue=given.full("paused"))
    hers.set_user("alice")
    assert hers.fetch_jobs().get_jobs() == [{"name": "waits", "state": "sched"}]
    hers.set_user("bob")
    assert hers.fetch_jobs().get_jobinfos() == []
    some = JobList(client, ids=["done", f"{given.namespace}/waits", "nobody"], filters=["failed"])
    assert [job.name for job in some.jobs()] == ["done", "waits"]
    assert len(some.errors) == 1
    assert some.errors[0].startswith("nobody: ")
    with pytest.raises(ValueError, match=r"attrs: must be all, or some of id, .* not 'color'"):
        JobList(client, ["color"])

    assert [job["name"] for job in job_list(client, max_entries=1).get_jobs()] == ["waits"]
    assert [job.name for job in job_list(client, results=["failed"]).get_jobinfos()] == ["wrong"]
    assert {job.name for job in job_list_inactive(client).get_jobinfos()} == {"done", "wrong"}
    assert job_list_id(client, "done", ["result"]).get_job() == {"result": "completed"}
    record = get_job(client, "wrong")
    assert record is not None
    assert (record["result"], record["exception"]["type"]) == ("failed", "BackoffLimitExceeded")
    assert get_job(client, "nobody") is None
    with pytest.raises(NotFoundError):
        job_list_id(client, "nobody").get_jobinfo()


def test_a_list_that_is_asked_again_gives_what_is_there_by_then(client: Client, given: User) -> None:
    given.queue("paused", dispatch={"paused": True})
    for name in ("first", "second"):
        given.job(name, "paused")
    listed = JobList(client, filters="pending")
    assert len(listed.jobs()) == 2
    given.client.delete(f"{given.jobs_path}/first")
    eventually(lambda: [job.name for job in listed.jobs()] == ["second"])

    # What is under way when the question changes is no answer to it.
    listed.fetch_jobs()
    listed.set_user("alice")
    assert listed.jobs() == []
    listed.set_user("all")
    listed.fetch_jobs()
    listed.add_filter(JobList.RESULTS["failed"])
    assert [job.name for job in listed.jobs()] == ["second"]


def test_the_forms_that_flux_takes(client: Client, given: User, site: Site) -> None:
    given.queue("paused", dispatch={"paused": True})
    given.job("waits", "paused")
    states, results = JobList.STATES["pending"], JobList.RESULTS["failed"]
    for found in (
        job_list(client, states=states, results=results),
        job_list(client, states="depend,sched", results=0),
        job_list(client, states=0, results=0),
    ):
        assert [job.name for job in found.get_jobinfos()] == ["waits"]
    assert job_list(client, states=JobList.STATES["inactive"], results=results).get_jobs() == []
    assert JobList(client, "name", ids="waits").fetch_jobs().get_jobs() == [{"name": "waits"}]

    # One that she may not see keeps no other back.
    with Client.connect(str(site.cluster.kubeconfig_for("alice")), namespace=given.namespace) as alice:
        some = JobList(alice, ids=["waits", "kube-system/secret", "nobody"])
        assert [job.name for job in some.jobs()] == ["waits"]
    assert [error.partition(": ")[0] for error in some.errors] == ["kube-system/secret", "nobody"]
    assert "may not get jobs.batch" in some.errors[0]


async def test_the_same_with_asyncio(site: Site, given: User) -> None:
    given.queue("line")
    async with AsyncClient.connect(str(site.cluster.kubeconfig), namespace=given.namespace) as client:
        job = await client.jobs.submit("none", "true", queue=given.full("line"), name="one")
        assert (await client.jobs.wait("one", timeout=PATIENCE)).uid == job.uid
        assert [one.name async for one in client.jobs.list()] == ["one"]
        assert client.namespace == given.namespace
        assert [one.name for one in await async_job_list(client, states=["inactive"])] == ["one"]
        assert [one.name for one in await async_job_list_inactive(client, since=job.t_submit - 1)] == ["one"]
        assert await async_job_list_id(client, "one") == await client.jobs.get("one")
        assert (await async_get_job(client, "one") or {})["result"] == "completed"
        assert await async_get_job(client, "two") is None
        query = AsyncJobList(client, ids=["one", "two"])
        assert [one.name for one in await query.jobs()] == ["one"]
        assert len(query.errors) == 1
    assert given.client.get(f"{JOBS}?labelSelector=headgate.dev/queue%3D{given.full('line')}")["items"]
