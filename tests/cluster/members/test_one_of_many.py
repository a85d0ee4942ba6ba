"""What is wrong with one Job, or with the hub, is not the trouble of the others in a member."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from headgate.members import proxies as module
from tests.cluster.harness.invariants import ADMITTED_AT
from tests.cluster.members.scene import (
    Scene,
    another_is_served,
    job_seen,
    listed,
    other_is_there,
    until,
    working,
)

if TYPE_CHECKING:
    import pytest

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.members import Member

Json = dict[str, Any]

START = "2026-11-23T10:00:00Z"


def told(scene: Scene, reason: str) -> list[str]:
    return [event["note"] for event in scene.hub.events_on("it", reason=reason)]


async def test_a_status_that_makes_no_sense_is_not_shown_and_stops_nobody(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    proxy = scene.create_proxy()
    proxy["spec"] |= {"completionMode": "Indexed", "completions": 3}
    copy = scene.create_copy() | {"status": {"startTime": START, "completedIndexes": "0-x"}}
    async with working(
        site, members, job_seen(proxy), listed(copy), partial(another_is_served, scene)
    ) as proxies:
        await until(lambda: other_is_there(scene))
        await until(lambda: told(scene, "CopyNotMirrored"))
        assert "makes no sense" in told(scene, "CopyNotMirrored")[0]
        assert not scene.hub.get_job("it").get("status")
        # It heals.
        proxies.copy_seen("east", newer(copy, {"startTime": START, "completedIndexes": ""}))
        await until(lambda: scene.hub.get_job("it").get("status"))


def newer(copy: Json, status: Json) -> Json:
    metadata = copy["metadata"] | {"resourceVersion": str(int(copy["metadata"]["resourceVersion"]) + 1)}
    return copy | {"metadata": metadata, "status": status}


async def test_a_status_that_the_hub_refuses_is_told(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    proxy = scene.create_proxy()
    copy = scene.create_copy() | {"status": {"startTime": START, "active": -1}}
    async with working(site, members, job_seen(proxy), listed(copy), partial(another_is_served, scene)):
        await until(lambda: other_is_there(scene))
        await until(lambda: told(scene, "CopyNotMirrored"))
    assert "is refused here" in told(scene, "CopyNotMirrored")[0]


async def test_a_hub_that_does_not_say_how_a_job_is_keeps_no_member_from_being_used(
    site: Site, members: dict[str, Member], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLEAR_SECONDS", 1.0)
    scene.create_proxy()
    copy = scene.create_copy()
    scene.hub.client.delete(f"{scene.hub.jobs_path}/it")
    async with working(site, members, listed(copy), user="carol") as proxies:
        await proxies.clear("east")
    left = scene.copy()
    assert left is not None
    assert "deletionTimestamp" not in left["metadata"]
    # One that does say has it deleted.
    async with working(site, members, listed(copy)):
        await until(lambda: scene.copy() is None)


async def test_nothing_is_made_before_stale_copies_are_gone(
    site: Site, members: dict[str, Member], scene: Scene
) -> None:
    scene.create_proxy()
    copy = scene.create_copy()
    here, there = (f"{user.jobs_path}/it" for user in (scene.hub, scene.there))
    scene.there.client.patch(there, {"metadata": {"finalizers": ["example.com/keep"]}})
    again = scene.hub.client.patch(here, {"metadata": {"annotations": {ADMITTED_AT: "again"}}})
    async with working(site, members, job_seen(again), listed(copy, anew=True)) as proxies:
        clearing = asyncio.create_task(proxies.clear("east"))
        another_is_served(scene, proxies)
        await until(lambda: "deletionTimestamp" in scene.there.get_job("it")["metadata"])
        assert not other_is_there(scene)
        assert not clearing.done()
        scene.there.client.patch(there, {"metadata": {"finalizers": None}})
        await until(lambda: scene.copy() is None)
        assert not other_is_there(scene)
        proxies.copy_gone("east", copy)
        await clearing
        await until(lambda: other_is_there(scene) and scene.copy() is not None)
