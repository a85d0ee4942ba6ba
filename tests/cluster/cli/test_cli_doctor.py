"""`headgate doctor`: well where all is well, and in words to act on where it is not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.cluster.harness.client import QUEUES, eventually
from tests.cluster.harness.cluster import LEASE, SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cli.conftest import Headgate
    from tests.cluster.harness.client import User
    from tests.cluster.harness.cluster import Site
    from tests.cluster.harness.operator import OperatorProcess

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/schedulingpolicies.headgate.dev"


def wrong(headgate: Headgate) -> list[str]:
    """Return what is wrong, but for what tests before this one may have left stalled."""
    lines = headgate("doctor", user="admin").out.splitlines()
    stalled = ("queue ", "pool ", "environment ")
    return [line for line in lines if line.startswith("wrong") and not line[9:].startswith(stalled)]


def test_all_is_well(headgate: Headgate, operator: OperatorProcess) -> None:
    def well() -> bool:
        lines = wrong(headgate)
        assert not lines, lines
        return True

    eventually(well)

    told = headgate("doctor", user="admin").out
    for part in (
        "ok       Kubernetes v1.",
        "ok       the CRDs are those of headgate ",
        " all of them bound",
        "the operator leads",
    ):
        assert part in told
    assert "you are admin, in namespace default" in told
    assert "you may cancel Jobs here and keep them" in told


def test_what_the_user_may_not_see_is_unknown(headgate: Headgate, operator: OperatorProcess) -> None:
    told = headgate("doctor", user="carol")

    assert told.code == 0
    assert "unknown  the admission policies: you may not list validatingadmissionpolicies" in told.out
    assert "unknown  what is stalled: you may not list jobqueues.headgate.dev" in told.out
    assert "ok       you may not change queues" in told.out


def test_what_is_wrong_says_what_to_do(
    headgate: Headgate, operator: OperatorProcess, site: Site, given: User
) -> None:
    given.queue("q", pool="nowhere")
    eventually(lambda: f"queue {given.full('q')}: PoolNotFound" in headgate("doctor", user="admin").out)
    assert headgate("doctor", user="admin").code == 1
    site.admin.delete(f"{QUEUES}/{given.full('q')}")

    schema = site.admin.get(CRD)
    there = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"]
    path = "/spec/versions/0/schema/openAPIV3Schema/description"

    def describe(text: str) -> None:
        change = [{"op": "replace", "path": path, "value": text}]
        site.admin.patch(CRD, change, content_type="application/json-patch+json")

    describe("of another version")
    try:
        assert [line for line in wrong(headgate) if "schedulingpolicies are not those of headgate" in line]
    finally:
        describe(there)

    with site.without_policies("job-admit"):
        assert "wrong    policies without a binding: headgate-job-admit" in wrong(headgate)

    # A Lease that nobody has renewed for long, looked at before the operator renews it.
    def looked_at_in_time() -> bool:
        site.admin.patch(LEASE, {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}})
        told = headgate("doctor", user="admin").out
        assert "no operator leads, for " in told
        return f"kubectl logs -n {SYSTEM} deployment/headgate" in told

    eventually(looked_at_in_time)


def test_a_lead_that_changes_hands_is_waited_for(
    headgate: Headgate, operator: OperatorProcess, site: Site, tmp_path: Path
) -> None:
    """The last test: another operator leads from here on."""
    second = site.operator(tmp_path, "second").start()
    try:
        eventually(lambda: second.fetch("/readyz")[0] == 200)
        with ThreadPoolExecutor(1) as pool:
            with second.frozen():
                assert operator.stop() == 0
                asked = pool.submit(headgate, "doctor", user="admin")
                time.sleep(4)  # Long enough for it to find that nobody leads.
            assert "the operator leads: second" in asked.result().out
    finally:
        second.stop()
