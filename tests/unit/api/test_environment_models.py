"""Compute environments and scheduling policies as the operator reads them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headgate.api.computeenvironment import ComputeEnvironment, ComputeEnvironmentSpec
from headgate.api.jobqueue import JobQueueSpec
from headgate.api.meta import explain
from headgate.api.quantity import UNIT
from headgate.api.schedulingpolicy import FairShare, SchedulingPolicy, Share

Json = dict[str, Any]


def environment(**spec: Any) -> ComputeEnvironmentSpec:
    raw = {"metadata": {"name": "spot"}, "spec": {"type": "Spot"} | spec}
    return ComputeEnvironment.parse(raw).spec


def test_an_environment_with_only_what_is_required() -> None:
    assert environment().to_dict() == {
        "description": "",
        "pool": "default",
        "clusters": ["*"],
        "state": "Enabled",
        "type": "Spot",
        "instanceShape": {"name": ""},
        "capacity": {},
        "nodeSelector": {},
        "tolerations": [],
    }
    assert (environment().selector, environment().capacity_amounts) == ({}, ())


def test_amounts() -> None:
    spec = environment(
        capacity={"memory": "2Ki", "cpu": 4, "nvidia.com/gpu": "0"},
        instanceShape={"cpu": "500m", "memory": 1024},
    )
    assert spec.shape_amounts == (("cpu", UNIT // 2), ("memory", 1024 * UNIT))
    # nothing of it may be requested, which is not the same as no limit
    assert spec.capacity_amounts == (("cpu", 4 * UNIT), ("memory", 2048 * UNIT), ("nvidia.com/gpu", 0))


@pytest.mark.parametrize(
    ("spec", "selector"),
    [
        ({"nodeSelector": {"pool": "spot"}}, {"pool": "spot"}),
        ({"instanceShape": {"architecture": "arm64"}}, {"kubernetes.io/arch": "arm64"}),
        (
            {
                "instanceShape": {"architecture": "arm64"},
                "nodeSelector": {"kubernetes.io/arch": "arm64", "a": ""},
            },
            {"kubernetes.io/arch": "arm64", "a": ""},
        ),
    ],
)
def test_an_architecture_selects_nodes(spec: Json, selector: Json) -> None:
    assert environment(**spec).selector == selector


def test_tolerations_are_written_as_in_a_pod() -> None:
    taint = {"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}
    assert environment(tolerations=[taint, {"operator": "Exists"}]).tolerations_to_add == [
        taint,
        {"operator": "Exists"},
    ]


def test_scaling() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nodes"}
    scaling = environment(scaling={"targetRef": target, "max": 5}).scaling
    assert scaling is not None
    assert (scaling.min, scaling.max, scaling.idle_timeout_seconds) == (0, 5, 0)
    assert scaling.target_ref.namespace is None
    assert scaling.target_ref.to_dict() == target


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"capacity": {"cpu": "many"}}, "spec.capacity.cpu: must be a quantity of at least 0, such as"),
        ({"instanceShape": {"cpu": 0}}, "spec.instanceShape.cpu: must be a quantity above 0, such as"),
        ({"type": "Reserved"}, "spec.type: Input should be 'OnDemand', 'Spot', 'Serverless' or"),
        ({"scaling": {"max": 1}}, "spec.scaling.targetRef: is required"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(spec: Json, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        environment(**spec)
    assert explain(caught.value).startswith(message)


def test_a_policy_with_only_what_is_required() -> None:
    raw: Json = {"metadata": {"name": "fair"}, "spec": {}}
    assert SchedulingPolicy.parse(raw).spec.to_dict() == {
        "description": "",
        "fairShare": {"shareDecaySeconds": 0, "computeReservation": 0, "shares": []},
    }


def test_a_weight_may_be_written_without_a_point() -> None:
    share = Share.model_validate({"identifier": "a", "weightFactor": 2})
    assert share.weight_factor == 2.0
    assert Share.model_validate({"identifier": "a"}).weight_factor == 1.0


def fair_share(**weights: float) -> FairShare:
    """Entries by identifier; "__" is a "*"."""
    return FairShare(
        shares=[
            Share(identifier=key.replace("__", "*"), weight_factor=value) for key, value in weights.items()
        ]
    )


@pytest.mark.parametrize(
    ("identifier", "weight"),
    [
        ("team", 0.5),
        ("team-a", 0.25),
        ("team-ab", 3.0),
        ("te", 4.0),
        ("other", 4.0),
        ("", 4.0),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_closest_entry_counts(identifier: str, weight: float, order: int) -> None:
    entries = {"__": 4.0, "tea__": 2.0, "team__": 3.0, "team": 0.5, "team-a": 0.25}
    assert fair_share(**dict(list(entries.items())[::order])).weight_of(identifier) == weight


def test_a_share_without_an_entry_weighs_one() -> None:
    assert fair_share(team=0.5).weight_of("teams") == 1.0
    assert FairShare().weight_of("team") == 1.0


IDENTIFIER = st.text("ab", min_size=1, max_size=4)


@given(st.dictionaries(IDENTIFIER | IDENTIFIER.map(lambda text: text + "*"), st.floats(0.01, 9)), IDENTIFIER)
def test_the_entry_is_the_most_specific(entries: dict[str, float], identifier: str) -> None:
    shares = [Share(identifier=key, weight_factor=value) for key, value in entries.items()]
    wildcards = [f"{identifier[:length]}*" for length in range(len(identifier), -1, -1)]
    expected = next((entries[key] for key in [identifier, *wildcards] if key in entries), 1.0)
    assert FairShare(shares=shares).weight_of(identifier) == expected


def test_what_a_queue_says_of_environments() -> None:
    spec = JobQueueSpec.model_validate(
        {
            "runConcurrency": 0,
            "actionConcurrency": 0,
            "computeEnvironments": [{"order": 2, "name": "spot"}, {"order": 1, "name": "reserved"}],
            "timeLimitActions": [
                {"reason": "InsufficientCapacity", "maxTimeSeconds": 600, "action": "Terminate"}
            ],
        }
    )
    assert [(entry.order, entry.name) for entry in spec.compute_environments] == [
        (2, "spot"),
        (1, "reserved"),
    ]
    assert spec.time_limit_actions[0].state == "Waiting"
    assert (spec.head_of_line, spec.scheduling_policy, spec.retry_affinity) == (
        "Block",
        None,
        "PreferWarmest",
    )
