"""The per-queue bindings are what the API server and the chart expect."""

from pathlib import Path

import pytest

from headgate.admission.bindings import bindings_for

POLICIES = Path(__file__).parents[3] / "charts/headgate/templates/policies"


def test_a_queue_has_bindings_with_itself_and_its_pool_as_parameters() -> None:
    bindings = bindings_for("training", "uid-1", "europe", policy_prefix="headgate")
    said = [
        (binding["kind"], binding["spec"]["policyName"], binding["spec"]["paramRef"]["name"])
        for binding in bindings
    ]
    validating, mutating = "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"
    assert said == [
        (validating, "headgate-job-intake", "training"),
        (validating, "headgate-job-proxy", "europe"),
        (mutating, "headgate-job-proxy", "europe"),
        (mutating, "headgate-job-pool", "training"),
    ]
    for binding in bindings:
        assert binding["spec"].get("validationActions") == (
            ["Deny"] if binding["kind"] == validating else None
        )
        assert binding["spec"]["matchResources"] == {
            "objectSelector": {"matchLabels": {"headgate.dev/queue": "training"}}
        }


def test_a_binding_goes_with_its_queue() -> None:
    for binding in bindings_for("training", "uid-1", "europe", policy_prefix="headgate"):
        (owner,) = binding["metadata"]["ownerReferences"]
        assert owner == {
            "apiVersion": "headgate.dev/v1alpha1",
            "kind": "JobQueue",
            "name": "training",
            "uid": "uid-1",
        }


def test_every_binding_names_a_policy_of_the_chart() -> None:
    for binding in bindings_for("training", "uid-1", "europe", policy_prefix="release"):
        policy = binding["spec"]["policyName"].removeprefix("release-")
        assert (POLICIES / f"{policy}.yaml").is_file()


@pytest.mark.parametrize("queue", ["a", "q" * 63])
def test_names_stay_within_what_kubernetes_allows(queue: str) -> None:
    names = [
        binding["metadata"]["name"] for binding in bindings_for(queue, "u", "p" * 63, policy_prefix="p" * 63)
    ]
    assert all(len(name) <= 253 for name in names)


def test_two_queues_never_share_a_name() -> None:
    names = [
        (binding["kind"], binding["metadata"]["name"])
        for queue in ("a", "a-b", "b")
        for binding in bindings_for(queue, "u", "p" * 63, policy_prefix="headgate")
    ]
    assert len(names) == len(set(names))
