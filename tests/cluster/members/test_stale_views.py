"""A process whose view is old, because it was frozen or its watch is behind, does no harm to copies.

Here the watches are the test's: it tells `Proxies` what they would have said a while ago, over a hub and a member that
are further on.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tests.cluster.harness.copies import HUB, ORIGIN, ended
from tests.cluster.harness.invariants import ADMITTED_AT, CLUSTER
from tests.cluster.members.scene import (
    HUB_ID,
    Scene,
    another_is_served,
    job_seen,
    listed,
    other_is_there,
    until,
    working,
)

if TYPE_CHECKING:
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Member


async def test_no_copy_is_made_for_an_admission_that_is_over(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy()
    scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it",
        {"metadata": {"annotations": {ADMITTED_AT: None, CLUSTER: None}}, "spec": {"suspend": True}},
    )
    async with working(site, members, job_seen(old), listed(), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    assert scene.copy() is None


async def test_no_copy_is_made_for_a_job_that_is_gone(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy()
    scene.hub.client.delete(f"{scene.hub.jobs_path}/it")
    new = scene.create_proxy(cluster=None)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    async with working(site, members, job_seen(old), listed(), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    assert scene.copy() is None


async def test_a_copy_of_a_later_admission_is_not_deleted(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    old = scene.create_proxy(cluster=None)
    scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it",
        {"metadata": {"annotations": {ADMITTED_AT: "later", CLUSTER: "east"}}, "spec": {"suspend": False}},
    )
    copy = scene.create_copy()
    async with working(site, members, job_seen(old), listed(copy), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
    left = scene.copy()
    assert left is not None
    assert left["metadata"]["uid"] == copy["metadata"]["uid"]
    assert "deletionTimestamp" not in left["metadata"]


async def test_an_orphan_is_deleted_once_the_hub_has_said_so(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    scene.create_proxy()
    known = scene.create_copy()
    # Nobody has told of its Job, which is there.
    async with working(site, members, listed(known), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
        assert "deletionTimestamp" not in scene.there.get_job("it")["metadata"]
        await asyncio.to_thread(scene.hub.client.delete, f"{scene.hub.jobs_path}/it")
        await until(lambda: scene.copy() is None)


async def test_a_copy_that_was_made_already_is_recognized(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    proxy = scene.create_proxy()
    copy = scene.create_copy()
    # Its member's Job controller sees it.
    await until(lambda: (scene.there.get_job("it").get("status") or {}).get("startTime"))
    async with working(site, members, job_seen(proxy), listed()):
        await until(lambda: (scene.hub.get_job("it").get("status") or {}).get("startTime"))
    left = scene.there.get_job("it")
    assert left["metadata"]["uid"] == copy["metadata"]["uid"]
    assert left["metadata"]["labels"] == {HUB: HUB_ID, ORIGIN: proxy["metadata"]["uid"]}


async def test_a_job_is_not_ended_because_a_list_lacks_its_copy(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    scene.create_proxy()
    scene.create_copy()
    started = scene.hub.client.patch(
        f"{scene.hub.jobs_path}/it/status", {"status": {"startTime": "2026-11-23T10:00:00Z"}}
    )
    await until(lambda: "ready" in (scene.there.get_job("it").get("status") or {}))
    async with working(site, members, job_seen(started), listed()):
        # It is met, and mirrored.
        await until(lambda: {"ready", "conditions"} & set(scene.hub.get_job("it")["status"]))
        assert "conditions" not in scene.hub.get_job("it")["status"]
    scene.there.client.delete(f"{scene.there.jobs_path}/it")
    await until(lambda: scene.copy() is None)
    now = scene.hub.get_job("it")
    async with working(site, members, job_seen(now), listed()):
        await until(lambda: scene.hub.get_job("it")["status"].get("conditions"))
    assert ended(scene.hub.get_job("it"))["reason"] == "CopyDeleted"
