"""What binds the admission policies to one queue.

The chart installs the policies. Those that compare a Job with its queue need to know which queue, so each queue gets
a binding of its own: selected by the queue label, with the JobQueue as the parameter. The API server then enforces the
queue's rules by itself, also while the operator is down.

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


def bindings_for(queue_name: str, queue_uid: str, *, policy_prefix: str) -> list[dict[str, Any]]:
    """Return the bindings of one queue: what it takes in, and which pool its Jobs carry.

    They are owned by the queue, so they go when it goes. In between, while the garbage collector is on its way, a
    parameter that is not found allows: a Job of a queue that is gone is treated as one of a queue that never was.
    """
    return [
        _binding(
            VALIDATING, INTAKE_POLICY, queue_name, queue_uid, policy_prefix, {"validationActions": ["Deny"]}
        ),
        _binding(MUTATING, POOL_POLICY, queue_name, queue_uid, policy_prefix, {}),
    ]


def _binding(
    kind: str, policy: str, queue_name: str, queue_uid: str, policy_prefix: str, more: dict[str, Any]
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
            "paramRef": {"name": queue_name, "parameterNotFoundAction": "Allow"},
            "matchResources": {"objectSelector": {"matchLabels": {QUEUE_LABEL: queue_name}}},
            **more,
        },
    }
