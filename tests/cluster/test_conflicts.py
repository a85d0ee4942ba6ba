"""The admission of a Job is answered with a conflict, and no newer version of the Job comes that would explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.harness.client import ENDLESS, User, eventually
from tests.cluster.harness.invariants import decided, peaks
from tests.cluster.harness.proxy import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.recorder import Recorder

POOL = "headgate.dev/pool"
"""A label that a policy gives each Job."""


def made(given: User) -> dict[str, Any]:
    """Return what would become of a Job created now."""
    body = given.job_body("probe", "line")
    return given.client.create(f"{given.jobs_path}?dryRun=All", body)


def test_its_place_is_given_away_when_the_api_server_has_said_that_it_waits(
    site: Site, tmp_path: Path, recorder: Recorder
) -> None:
    """The Job is suspended where it is suspended already: that is accepted, and leaves no trace in it."""
    given = site.given()
    site.free_lease()
    with Gate(site.cluster.server, site.cluster.ca_file) as gate:
        operator = site.operator(tmp_path, server=gate.server).start()
        try:
            operator.wait_until_leading()
            given.queue("line", actionConcurrency=1, dispatch={"paused": True})
            # What came before the queue's policies were in force would be changed by them with the next write.
            eventually(lambda: POOL in made(given)["metadata"]["labels"])
            for name in ("first", "second"):
                given.job(name, "line", seconds=ENDLESS)
                given.until_waiting("line", 1 if name == "first" else 2)
            before = given.get_job("first")

            gate.clash(f"PATCH {given.jobs_path}/first")
            given.change_queue("line", dispatch={"paused": False})

            eventually(lambda: not given.get_job("second")["spec"]["suspend"])
            assert gate.clashes == 0
            assert given.get_job("first") == before
            (event,) = eventually(lambda: given.events_on("first", reason="Suspended"))
            assert event["note"].endswith(
                "the API server answered its admission with a conflict, although it had not changed"
            )

            given.end("second")
            eventually(lambda: not given.get_job("first")["spec"]["suspend"])
            given.end("first")
            given.succeeded("line", 2)
        finally:
            assert operator.stop() == 0
    seen = recorder.record()
    assert [body["metadata"]["name"] for body in decided(seen, given.full("line"))] == ["second", "first"]
    assert peaks(seen, given.full("line")) == (1, 1)
