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
POOL_LABEL: Final = f"{GROUP}/pool"

PRIORITY_ANNOTATION: Final = f"{GROUP}/priority"
HOLD_ANNOTATION: Final = f"{GROUP}/hold"
SUBMITTED_BY_ANNOTATION: Final = f"{GROUP}/submitted-by"

ADMITTED_AT_ANNOTATION: Final = f"{GROUP}/admitted-at"
TERM_ANNOTATION: Final = f"{GROUP}/term"
CLUSTER_ANNOTATION: Final = f"{GROUP}/cluster"

CREATED_BY_ANNOTATION: Final = f"{GROUP}/created-by"
PAUSED_BY_ANNOTATION: Final = f"{GROUP}/paused-by"

JOB_PRIORITY_MAX: Final = 9999
DEFAULT_NAME: Final = "default"

# Reasons in the conditions of a Job that Headgate cancelled.
REASON_CANCELED: Final = "Canceled"
REASON_QUEUE_FULL: Final = "QueueFull"
REASON_TIMED_OUT: Final = "TimedOut"
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
