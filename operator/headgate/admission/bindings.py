"""What binds the admission policies to one queue.

The chart installs the policies. Those that compare a Job with its queue need to know which queue, so each queue gets
bindings of its own: selected by the queue label, with the JobQueue as the parameter. The API server then enforces the
queue's rules by itself, also while the operator is down. Who manages the Jobs depends on the clusters of the queue's
pool, so there the ClusterPool is the parameter.

This module computes the manifests and must never do I/O: the caller applies them when it sees a queue.
"""

from __future__ import annotations

from typing import Any, Final

from headgate.api.names import GROUP, QUEUE_LABEL, VERSION

ADMISSION_API_VERSION: Final = "admissionregistration.k8s.io/v1"
VALIDATING: Final = "ValidatingAdmissionPolicyBinding"
MUTATING: Final = "MutatingAdmissionPolicyBinding"

# The policies that are bound per queue, as the chart names them behind its prefix.
INTAKE_POLICY: Final = "job-intake"
POOL_POLICY: Final = "job-pool"
PROXY_POLICY: Final = "job-proxy"


def bindings_for(queue_name: str, queue_uid: str, pool: str, *, policy_prefix: str) -> list[dict[str, Any]]:
    """Return the bindings of one queue: what it takes in, who manages its Jobs, and which pool they carry.

    They are owned by the queue, so they go when it goes. In between, while the garbage collector is on its way, a
    parameter that is not found allows: a Job of a queue that is gone is treated as one of a queue that never was. So
    does a pool that is not there yet.

    The pool's label comes last, and the API server takes them up in order: a Job that carries it has been seen by the
    others.
    """
    return [
        _binding(kind, policy, queue_name, queue_uid, parameter, policy_prefix)
        for kind, policy, parameter in (
            (VALIDATING, INTAKE_POLICY, queue_name),
            (VALIDATING, PROXY_POLICY, pool),
            (MUTATING, PROXY_POLICY, pool),
            (MUTATING, POOL_POLICY, queue_name),
        )
    ]


def _binding(
    kind: str, policy: str, queue_name: str, queue_uid: str, parameter: str, policy_prefix: str
) -> dict[str, Any]:
    """Return the binding of one policy to one queue."""
    return {
        "apiVersion": ADMISSION_API_VERSION,
        "kind": kind,
        "metadata": {
            "name": f"{policy_prefix}-{policy}-{queue_name}",
            "labels": {"app.kubernetes.io/managed-by": "headgate", QUEUE_LABEL: queue_name},
            "ownerReferences": [
                {"apiVersion": f"{GROUP}/{VERSION}", "kind": "JobQueue", "name": queue_name, "uid": queue_uid}
            ],
        },
        "spec": {
            "policyName": f"{policy_prefix}-{policy}",
            "paramRef": {"name": parameter, "parameterNotFoundAction": "Allow"},
            "matchResources": {"objectSelector": {"matchLabels": {QUEUE_LABEL: queue_name}}},
            **({"validationActions": ["Deny"]} if kind == VALIDATING else {}),
        },
    }
