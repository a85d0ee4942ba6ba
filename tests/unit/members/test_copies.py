"""What of a hub's Job travels to a member, and what never does."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.members.copies import copy_of

Json = dict[str, Any]

HUB = "3f0c3c5e-0000-4000-8000-000000000001"
GENERATED = {
    "controller-uid": "job-uid",
    "job-name": "train",
    "batch.kubernetes.io/controller-uid": "job-uid",
    "batch.kubernetes.io/job-name": "train",
}


def a_hubs_job(
    labels: Json | None = None, annotations: Json | None = None, pod: Json | None = None, **spec: Any
) -> Json:
    """A Job as the hub's API server has it, admitted to a cluster."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "train",
            "namespace": "lab",
            "uid": "job-uid",
            "resourceVersion": "42",
            "generation": 2,
            "generateName": "train-",
            "creationTimestamp": "2026-11-23T10:00:00Z",
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "u"}],
            "finalizers": ["example.com/keep"],
            "managedFields": [{"manager": "kubectl"}],
            "labels": {"headgate.dev/queue": "gold", "headgate.dev/pool": "gpu", **(labels or {})},
            "annotations": {
                "headgate.dev/admitted-at": "2026-11-23T10:00:01.000001Z",
                "headgate.dev/cluster": "east",
                "headgate.dev/term": "3",
                **(annotations or {}),
            },
        },
        "spec": {
            "parallelism": 1,
            "managedBy": "headgate.dev/dispatcher",
            "suspend": False,
            "ttlSecondsAfterFinished": 60,
            "manualSelector": False,
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "job-uid"}},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {**GENERATED, "app": "train"}},
                "spec": {"containers": [{"name": "main", "image": "none"}], **(pod or {})},
            },
            **spec,
        },
        "status": {"active": 1},
    }


def test_a_copy_has_its_jobs_name_and_says_whose_it_is() -> None:
    copy = copy_of(a_hubs_job(labels={"team": "red"}, annotations={"note": "mine"}), HUB)
    assert (copy["apiVersion"], copy["kind"]) == ("batch/v1", "Job")
    assert copy["metadata"] == {
        "namespace": "lab",
        "name": "train",
        "labels": {"team": "red", "headgate.dev/hub": HUB, "headgate.dev/origin-uid": "job-uid"},
        "annotations": {"note": "mine", "headgate.dev/admitted-at": "2026-11-23T10:00:01.000001Z"},
    }
    assert "status" not in copy


def test_what_the_pods_are_travels_whole() -> None:
    pod = {"priorityClassName": "low", "nodeSelector": {"disk": "ssd"}, "restartPolicy": "Never"}
    copy = copy_of(a_hubs_job(pod=pod, backoffLimit=2, activeDeadlineSeconds=60), HUB)
    assert copy["spec"] == {
        "parallelism": 1,
        "suspend": False,
        "manualSelector": False,
        "backoffLimit": 2,
        "activeDeadlineSeconds": 60,
        "template": {
            "metadata": {"creationTimestamp": None, "labels": {"app": "train"}},
            "spec": {"containers": [{"name": "main", "image": "none"}], **pod},
        },
    }


def test_a_manual_selector_travels_with_its_labels() -> None:
    copy = copy_of(a_hubs_job(manualSelector=True), HUB)
    assert copy["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "job-uid"}}
    assert copy["spec"]["template"]["metadata"]["labels"] == {**GENERATED, "app": "train"}


def test_the_placement_of_the_environment_replaces_the_pods_own() -> None:
    placement = {"nodeSelector": {"pool": "spot"}, "tolerations": [{"key": "spot", "operator": "Exists"}]}
    job = a_hubs_job(
        annotations={"headgate.dev/placement": json.dumps(placement)},
        pod={"nodeSelector": {"disk": "ssd"}, "tolerations": [], "hostname": "x"},
    )
    pod = copy_of(job, HUB)["spec"]["template"]["spec"]
    assert {field: pod[field] for field in placement} == placement
    assert pod["hostname"] == "x"


def test_a_placement_that_names_only_one_leaves_the_other() -> None:
    job = a_hubs_job(
        annotations={"headgate.dev/placement": '{"nodeSelector": {"a": "b"}}'},
        pod={"tolerations": [{"key": "mine"}]},
    )
    pod = copy_of(job, HUB)["spec"]["template"]["spec"]
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"a": "b"}, [{"key": "mine"}])


@pytest.mark.parametrize("placement", ["", "nonsense", "[]", "3"])
def test_a_placement_without_sense_is_an_error(placement: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        copy_of(a_hubs_job(annotations={"headgate.dev/placement": placement}), HUB)


KEYS = st.sampled_from(
    (
        "team",
        "example.com/team",
        "headgate.dev/queue",
        "headgate.dev/pool",
        "headgate.dev/hub",
        "headgate.dev/origin-uid",
        "headgate.dev/run",
        "headgate.dev/requeued-from",
        "headgate.dev/depends-on",
        "applyset.kubernetes.io/part-of",
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/instance",
        "helm.toolkit.fluxcd.io/name",
        "kubectl.kubernetes.io/last-applied-configuration",
        "kustomize.toolkit.fluxcd.io/name",
        "meta.helm.sh/release-name",
    )
)
WORDS = st.dictionaries(KEYS, st.text("ab", max_size=3))
TRACKING = (
    "applyset.",
    "argocd.",
    "helm.toolkit",
    "kubectl.kubernetes.io/last",
    "kustomize.toolkit",
    "meta.helm",
)


@given(WORDS, WORDS, st.booleans())
def test_nothing_that_must_not_travel_ever_does(labels: Json, annotations: Json, manual: bool) -> None:
    job = a_hubs_job(labels, annotations, manualSelector=manual)
    before = deepcopy(job)
    copy = copy_of(job, HUB)
    assert job == before, "the hub's Job is not to be changed"
    metadata, spec = copy["metadata"], copy["spec"]
    assert set(metadata) == {"namespace", "name", "labels", "annotations"}
    for words in (metadata["labels"], metadata["annotations"]):
        assert not [key for key in words if key.startswith(TRACKING)]
    assert not {"headgate.dev/queue", "headgate.dev/pool"} & set(metadata["labels"])
    assert metadata["labels"]["headgate.dev/hub"] == HUB
    assert metadata["labels"]["headgate.dev/origin-uid"] == "job-uid"
    own = {key for key in metadata["annotations"] if key.startswith("headgate.dev/")}
    assert own == {"headgate.dev/admitted-at"}
    assert not {"managedBy", "ttlSecondsAfterFinished"} & set(spec)
    assert spec["suspend"] is False
    assert manual or "selector" not in spec
    assert manual or not set(GENERATED) & set(spec["template"]["metadata"]["labels"])
    assert {"team", "example.com/team"} & set(labels) <= set(metadata["labels"])
