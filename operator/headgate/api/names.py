"""The words of the API: group, version, and what stands on a Job.

Every label, annotation and reason that Headgate reads or writes is named here once, so that code, chart,
command line and documentation cannot drift apart.
"""

from typing import Final

GROUP: Final = "headgate.dev"
VERSION: Final = "v1alpha1"

QUEUE_LABEL: Final = f"{GROUP}/queue"
RUN_LABEL: Final = f"{GROUP}/run"
PROJECT_LABEL: Final = f"{GROUP}/project"
SHARE_LABEL: Final = f"{GROUP}/share"
POOL_LABEL: Final = f"{GROUP}/pool"

PRIORITY_ANNOTATION: Final = f"{GROUP}/priority"
HOLD_ANNOTATION: Final = f"{GROUP}/hold"
DEPENDS_ON_ANNOTATION: Final = f"{GROUP}/depends-on"
RETRY_OF_ANNOTATION: Final = f"{GROUP}/retry-of"
SUBMITTED_BY_ANNOTATION: Final = f"{GROUP}/submitted-by"

ADMITTED_AT_ANNOTATION: Final = f"{GROUP}/admitted-at"
TERM_ANNOTATION: Final = f"{GROUP}/term"
CLUSTER_ANNOTATION: Final = f"{GROUP}/cluster"
COMPUTE_ENVIRONMENT_ANNOTATION: Final = f"{GROUP}/compute-environment"
# On a proxy, the hub's Job in a pool of remote clusters: what its copy's pods get, and the cluster it came back from.
PLACEMENT_ANNOTATION: Final = f"{GROUP}/placement"
REQUEUED_FROM_ANNOTATION: Final = f"{GROUP}/requeued-from"
# In spec.managedBy of a proxy: the hub's Job controller leaves it alone.
MANAGED_BY: Final = f"{GROUP}/dispatcher"
# On a copy, the Job in a member that does a proxy's work: whose it is.
HUB_LABEL: Final = f"{GROUP}/hub"
ORIGIN_UID_LABEL: Final = f"{GROUP}/origin-uid"

CREATED_BY_ANNOTATION: Final = f"{GROUP}/created-by"
PAUSED_BY_ANNOTATION: Final = f"{GROUP}/paused-by"

JOB_PRIORITY_MAX: Final = 9999
DEPENDENCIES_MAX: Final = 32
SHARES_MAX: Final = 500
DEFAULT_NAME: Final = "default"

# Reasons in the conditions of a Job that Headgate cancelled.
REASON_CANCELED: Final = "Canceled"
REASON_QUEUE_FULL: Final = "QueueFull"
REASON_TIMED_OUT: Final = "TimedOut"
REASON_DEPENDENCY_FAILED: Final = "DependencyFailed"
REASON_DEPENDENCY_CYCLE: Final = "DependencyCycle"
REASON_WRONG_MANAGER: Final = "WrongManager"
REASON_NAME_TAKEN: Final = "NameTaken"
REASON_COPY_DELETED: Final = "CopyDeleted"
REASON_COPY_REFUSED: Final = "CopyRefused"
REASON_REQUEUED: Final = "Requeued"
# Set by the Job controller when activeDeadlineSeconds passes.
REASON_DEADLINE_EXCEEDED: Final = "DeadlineExceeded"

# The custom verb that a user needs on a JobQueue to let its Jobs through: the operator's alone.
ADMIT_VERB: Final = "admit"

# Condition types of the resources; Reconciling and Stalled as kstatus reads them.
CONDITION_READY: Final = "Ready"
CONDITION_ACCEPTING: Final = "Accepting"
CONDITION_DISPATCHING: Final = "Dispatching"
CONDITION_RECONCILING: Final = "Reconciling"
CONDITION_STALLED: Final = "Stalled"
