"""SchedulingPolicy: how the shares of a queue are weighed against each other."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from headgate.api.meta import (
    LABEL_MAX,
    READY,
    RESOURCE_NAME_RULE,
    Condition,
    Model,
    Resource,
)
from headgate.api.names import SHARES_MAX
from headgate.api.schema import Column, Kind, Rule, crd

WILDCARD: Final = "*"
WEIGHT_DEFAULT: Final = 1.0
WEIGHT_MIN: Final = 0.0001
WEIGHT_MAX: Final = 999.9999

# A label value, or the beginning of one and a "*".
_IDENTIFIER_PATTERN: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?|([A-Za-z0-9][-A-Za-z0-9_.]*)?[*])"

ShareIdentifier = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(
                    f"self.matches('^{_IDENTIFIER_PATTERN}$')",
                    f"a share identifier is the value of a label (1 to {LABEL_MAX} characters of a-z, A-Z, 0-9, "
                    "'-', '_' and '.', with a letter or digit at either end), or the beginning of one and '*'",
                )
            ]
        ),
    ),
]


class Share(Model):
    """The weight of one share identifier, or of all that begin alike."""

    identifier: ShareIdentifier
    """The share identifier, as it stands on a Job in the label headgate.dev/share. With a "*" at the end it
    stands for all that begin like it: "team-*". Where several entries are right for a share, the one without
    "*" counts, else the longest."""

    weight_factor: float = Field(
        default=WEIGHT_DEFAULT,
        ge=WEIGHT_MIN,
        le=WEIGHT_MAX,
        json_schema_extra=crd(
            default=True,
            # The API server compares an integer with the integer part of a bound: 0 would be accepted.
            rules=[
                Rule(
                    f"self >= {WEIGHT_MIN}", f"a weight factor is a number from {WEIGHT_MIN} to {WEIGHT_MAX}"
                )
            ],
        ),
    )
    """How much its usage weighs when shares are compared: 0.0001 to 999.9999. The smaller the factor, the
    larger the share: one with 0.5 gets twice the compute of one with 1. Default: 1."""


class FairShare(Model):
    """How a queue is shared."""

    share_decay_seconds: Annotated[int, Field(ge=0, le=604800)] = Field(
        default=0, json_schema_extra=crd(default=True)
    )
    """The time, in seconds, after which past usage counts half: at most 604800 (a week). 0: only what runs
    now counts. Default: 0."""

    compute_reservation: Annotated[int, Field(ge=0, le=99)] = Field(
        default=0, json_schema_extra=crd(default=True)
    )
    """How much of the queue's compute is kept for shares that have no live Jobs, in percent: 0 to 99. With n
    shares that have some, (computeReservation / 100)^n of it is kept: with 50, half for the first, a quarter
    when there are two. Default: 0."""

    shares: list[Share] = Field(
        default=[], max_length=SHARES_MAX, json_schema_extra=crd(default=True, list_map_keys=["identifier"])
    )
    """The weights, at most 500. A share that no entry is right for has the weight factor 1. Default: none."""

    def weight_of(self, identifier: str) -> float:
        """Return the weight factor of a share: of the exact entry, else of the longest beginning, else 1."""
        weight, longest = WEIGHT_DEFAULT, -1
        for share in self.shares:
            entry = share.identifier
            if entry == identifier:
                return share.weight_factor
            if entry.endswith(WILDCARD) and len(entry) > longest and identifier.startswith(entry[:-1]):
                weight, longest = share.weight_factor, len(entry)
        return weight


class SchedulingPolicySpec(Model):
    """What the policy should be."""

    description: str = Field(default="", max_length=1024)
    """What the policy is for, and whom to ask about it. At most 1024 characters."""

    fair_share: FairShare = Field(default=FairShare(), json_schema_extra=crd(default=True))
    """How a queue is shared."""


class SchedulingPolicyStatus(Model):
    """What the policy is, as the operator last saw it."""

    queues: Annotated[int, Field(json_schema_extra=crd(format="int32"))] | None = None
    """How many queues use the policy."""

    observed_generation: Annotated[int, Field(json_schema_extra=crd(format="int64"))] | None = None
    """The metadata.generation that this status was computed from. If it is lower than the object's, the
    operator has not yet seen the last change."""

    conditions: list[Condition] = Field(
        default_factory=list, max_length=32, json_schema_extra=crd(list_map_keys=["type"])
    )
    """The short answers. Ready: queues can use it. Reconciling and Stalled: as kstatus and GitOps tools read
    them."""


class SchedulingPolicy(Resource):
    """A SchedulingPolicy shares a queue between share identifiers: the one that has used the least, measured
    by its weight, goes next. A Job says in the label headgate.dev/share whose share it counts for. Here
    research gets twice the compute of everybody else, and usage is half forgotten after an hour:

      apiVersion: headgate.dev/v1alpha1
      kind: SchedulingPolicy
      metadata: {name: fair}
      spec:
        fairShare:
          shareDecaySeconds: 3600
          shares: [{identifier: research, weightFactor: 0.5}]
    """  # noqa: D205, D400 - it is shown by kubectl explain, which has no summary line

    model_config = ConfigDict(json_schema_extra=crd(rules=[RESOURCE_NAME_RULE]))

    spec: SchedulingPolicySpec
    """What the policy should be. Only you write it, the operator never does."""

    status: SchedulingPolicyStatus = SchedulingPolicyStatus()
    """What the policy is, as the operator last saw it. Only the operator writes it."""


KIND: Final = Kind(
    model=SchedulingPolicy,
    plural="schedulingpolicies",
    singular="schedulingpolicy",
    short_names=("sp",),
    columns=(
        Column("Queues", ".status.queues", "integer", description="The queues that use it"),
        Column(
            "Decay", ".spec.fairShare.shareDecaySeconds", "integer", description="Half-life of usage, seconds"
        ),
        Column(
            "Reservation", ".spec.fairShare.computeReservation", "integer", description="Percent kept free"
        ),
        Column("Ready", f"{READY}.status", description="Whether queues can use it"),
        Column("Reason", f"{READY}.reason", description="Why it is ready, or why not"),
        Column("Description", ".spec.description", "string", 1, "What it is for"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
