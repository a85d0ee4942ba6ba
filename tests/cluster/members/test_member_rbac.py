"""What examples/clusters/member-rbac.yaml grants is what Headgate needs in a member: no verb less would do.

But for /readyz and /version, which Kubernetes lets everybody read unless somebody took that away.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.harness.client import ENDLESS, eventually
from tests.cluster.harness.invariants import outcome
from tests.cluster.harness.members import DISPATCHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.harness.client import User
    from tests.cluster.harness.members import Fleet, Member

    Rule = dict[str, Any]

pytestmark = pytest.mark.usefixtures("operator")

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/headgate-dispatcher"


@pytest.fixture
def without(fleet: Fleet) -> Iterator[Callable[[str, str], None]]:
    """Take a verb on a resource out of the role in east, one after the other, until the end of the test."""
    member = fleet.members["east"]
    whole = member.admin.get(ROLE)["rules"]

    def take(verb: str, what: str) -> None:
        left = member.admin.get(ROLE)["rules"]
        rules = [lessened(rule, verb, what) for rule in left]
        assert rules != left, f"{verb} {what} is not granted"
        member.admin.patch(ROLE, {"rules": [rule for rule in rules if rule["verbs"]]})
        eventually(lambda: not may(member, verb, what))

    yield take
    member.admin.patch(ROLE, {"rules": whole})
    for verb, what in (("list", "jobs"), ("watch", "jobs"), ("create", "jobs"), ("get", "jobs"), ("delete", "jobs"),
                       ("patch", "jobs/status"), ("get", "namespaces")):  # fmt: skip
        eventually(partial(may, member, verb, what))


def lessened(rule: Rule, verb: str, what: str) -> Rule:
    """Return a rule without a verb, where it is about this resource."""
    if what in (rule.get("resources") or ()):
        return {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
    return rule


def may(member: Member, verb: str, what: str) -> bool:
    """Whether the API server of a member would let Headgate do something now."""
    resource, _, subresource = what.partition("/")
    attributes = {"verb": verb, "group": "batch", "resource": resource, "subresource": subresource}
    if resource == "namespaces":
        attributes |= {"group": "", "name": "kube-system"}
    review = {"spec": {"user": DISPATCHER, "resourceAttributes": attributes}}
    answer = member.admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize(
    ("verb", "what", "said"),
    [("list", "jobs", "list Jobs"), ("watch", "jobs", "watch Jobs"), ("get", "namespaces", "kube-system")],
)
def test_without_this_a_member_does_not_run(
    fleet: Fleet, without: Callable[[str, str], None], verb: str, what: str, said: str
) -> None:
    without(verb, what)
    fleet.pool("pool", "east")
    fleet.until_state("east", "Pending", verb, said, "member-rbac.yaml")


def test_without_create_a_job_has_no_copy(
    fleet: Fleet, given: User, without: Callable[[str, str], None]
) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    without("create", "jobs")
    given.job("refused", "line", seconds=0.1)

    (event,) = eventually(lambda: given.events_on("refused", reason="CopyRefused"))

    assert "create Jobs" in event["note"]
    assert not fleet.places()
    assert outcome(given.get_job("refused")) is None


def test_without_get_a_name_that_is_taken_is_not_looked_into(
    fleet: Fleet, given: User, without: Callable[[str, str], None]
) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    fleet.there("east").job("mine", None, seconds=0.1)
    without("get", "jobs")
    given.job("mine", "line", seconds=0.1)

    (event,) = eventually(lambda: given.events_on("mine", reason="CopyRefused"))

    assert "get Jobs" in event["note"]
    assert outcome(given.get_job("mine")) is None


def test_without_delete_and_patch_nothing_is_taken_back(
    fleet: Fleet, given: User, without: Callable[[str, str], None]
) -> None:
    fleet.pool("pool", "east")
    fleet.queue("line")
    fleet.queue("doomed")
    given.job("deleted", "line", seconds=ENDLESS)
    given.job("canceled", "doomed", seconds=ENDLESS)
    fleet.until_mirrored("deleted", "canceled")
    without("delete", "jobs")
    given.client.delete(f"{given.jobs_path}/deleted")
    eventually(lambda: refused(fleet, "delete"))
    without("patch", "jobs/status")
    given.change_queue("doomed", state="Terminated")
    eventually(lambda: refused(fleet, "patch"))
    assert sorted(fleet.places()) == ["canceled", "deleted"]


def refused(fleet: Fleet, verb: str) -> bool:
    """Whether Headgate tried something in east, and was refused."""
    entries = fleet.members["east"].audit()
    return any(
        entry["verb"] == verb
        and entry["objectRef"].get("namespace") == fleet.given.namespace
        and entry["responseStatus"]["code"] == 403
        for entry in entries
    )


def test_it_may_do_nothing_else(fleet: Fleet) -> None:
    member = fleet.members["east"]
    rules = [
        (verb, group, resource)
        for rule in member.admin.get(ROLE)["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    ]
    assert set(rules) == {
        *((verb, "batch", "jobs") for verb in ("get", "list", "watch", "create", "delete")),
        ("patch", "batch", "jobs/status"),
        ("get", "", "namespaces"),
    }
