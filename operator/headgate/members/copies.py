"""A copy: the Job in a member that does the work of a proxy.

It is the hub's Job without what belongs to the hub. A name that is taken away here must mean nothing in the member, or
something else than in the hub: who owns the object, which tool keeps it, which queue it stands in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from headgate.api.names import (
    ADMITTED_AT_ANNOTATION,
    GROUP,
    HUB_LABEL,
    ORIGIN_UID_LABEL,
    PLACEMENT_ANNOTATION,
    POOL_LABEL,
    QUEUE_LABEL,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headgate.kube.client import Json

# A member may run Headgate itself: the copy has gone through a gate already.
_GATED: Final = frozenset({QUEUE_LABEL, POOL_LABEL})
_OWN_PREFIX: Final = f"{GROUP}/"
# By these marks a tool knows what it has applied, and removes what it did not.
_TRACKING: Final = (
    "applyset.kubernetes.io/",
    "argocd.argoproj.io/",
    "helm.toolkit.fluxcd.io/",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/",
    "meta.helm.sh/",
)
# What the API server generates where there is no manual selector (generateSelector in pkg/registry/batch/job): they
# carry the UID of the hub's Job, and the member's API server would refuse them.
_GENERATED: Final = frozenset(
    {"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}
)
# The copy stays for as long as the hub's Job: if it went first, one that was asked for late would run again.
_NOT_FOR_COPIES: Final = frozenset({"managedBy", "suspend", "ttlSecondsAfterFinished"})
_PLACED: Final = ("nodeSelector", "tolerations")


def copy_of(job: Json, hub_id: str) -> Json:
    """Return the manifest of the copy of a hub's Job (as the API server has it), for the Job's cluster.

    `hub_id` is the UID of the hub's namespace kube-system. Raises ValueError where the Job's placement makes no sense.
    """
    metadata, spec = job["metadata"], job["spec"]
    annotations = metadata.get("annotations") or {}
    labels = _travelling(metadata.get("labels") or {})
    labels |= {HUB_LABEL: hub_id, ORIGIN_UID_LABEL: metadata["uid"]}
    kept = {key: value for key, value in _travelling(annotations).items() if not key.startswith(_OWN_PREFIX)}
    if ADMITTED_AT_ANNOTATION in annotations:
        kept[ADMITTED_AT_ANNOTATION] = annotations[ADMITTED_AT_ANNOTATION]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "labels": labels,
            "annotations": kept,
        },
        "spec": _spec(spec, _placement(annotations.get(PLACEMENT_ANNOTATION))),
    }


def _travelling(words: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in words.items() if key not in _GATED and not key.startswith(_TRACKING)}


def _spec(spec: Json, placement: Json) -> Json:
    copied = {key: value for key, value in spec.items() if key not in _NOT_FOR_COPIES}
    template = spec["template"]
    metadata = dict(template.get("metadata") or {})
    if not spec.get("manualSelector"):
        copied.pop("selector", None)
        labels = metadata.get("labels") or {}
        metadata["labels"] = {key: value for key, value in labels.items() if key not in _GENERATED}
    copied["suspend"] = False
    copied["template"] = {**template, "metadata": metadata, "spec": {**template["spec"], **placement}}
    return copied


def _placement(annotation: str | None) -> Json:
    """Return what of the pods' spec is to be replaced, from the annotation that says so."""
    if annotation is None:
        return {}
    placement: Any = orjson.loads(annotation)
    if not isinstance(placement, dict):
        raise ValueError(f"{PLACEMENT_ANNOTATION}: must be an object with {' and '.join(_PLACED)}")
    return {field: placement[field] for field in _PLACED if field in placement}
