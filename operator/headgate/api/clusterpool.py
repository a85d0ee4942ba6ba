"""ClusterPool: a set of clusters behind a wall that no queue crosses.

That a cluster is in one pool only needs the other pools too, so it is an admission policy in
`headgate.admission`; the rules here need nothing but the pool.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from headgate.api.meta import (
    LABEL_MAX,
    LABEL_PATTERN,
    NAME_WORDS,
    READY,
    RESOURCE_NAME_RULE,
    ClusterState,
    Condition,
    Count,
    Model,
    Resource,
    Timestamp,
)
from headgate.api.schema import Column, Kind, Rule, crd

MemberState = Literal["Enabled", "Disabled"]

EVERY_CLUSTER: Final = "*"

ClusterName = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(
                    f"self.matches('^{LABEL_PATTERN}$')",
                    f"a cluster's name is {NAME_WORDS}",
                )
            ]
        ),
    ),
]

SelectedCluster = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(
                    f"self == '{EVERY_CLUSTER}' || self.matches('^{LABEL_PATTERN}$')",
                    f"a cluster's name is {NAME_WORDS}; '*' stands for every cluster of the pool",
                )
            ]
        ),
    ),
]

SelectedClusters = Annotated[
    list[SelectedCluster],
    Field(
        min_length=1,
        max_length=64,
        json_schema_extra=crd(
            default=True,
            list_type="set",
            rules=[
                Rule(
                    f"!('{EVERY_CLUSTER}' in self) || self.size() == 1",
                    "'*' stands for every cluster of the pool and must be the only entry",
                )
            ],
        ),
    ),
]
"""Clusters of a pool by name, or all of them."""


class PoolMember(Model):
    """A cluster of the pool."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                Rule(
                    "has(self.local) && self.local",
                    "this version of Headgate reaches only the cluster it runs in: set local: true",
                    message_expression="'this version of Headgate reaches only the cluster it runs in: "
                    "set local: true on cluster ' + self.name",
                )
            ]
        )
    )

    name: ClusterName
    """What queues call the cluster in spec.clusters. A DNS label of at most 63 characters, and in one pool
    only."""

    state: MemberState = Field(default="Enabled", json_schema_extra=crd(default=True))
    """Enabled: Jobs are sent there. Disabled: no more Jobs are sent, those that run there go on; for
    maintenance, or before it is removed. Default: Enabled."""

    local: bool = False
    """True for the cluster that Headgate itself runs in. It then is the only cluster of its pool. In this
    version every cluster is local."""


class ClusterPoolSpec(Model):
    """What the pool should be."""

    description: str = Field(default="", max_length=1024)
    """What the pool is for, and whom to ask about it. At most 1024 characters."""

    clusters: list[PoolMember] = Field(
        default=[],
        max_length=64,
        json_schema_extra=crd(
            default=True,
            list_map_keys=["name"],
            rules=[
                Rule(
                    "!self.exists(c, has(c.local) && c.local) || self.size() == 1",
                    "a local cluster stands alone in its pool: put the others into a pool of their own",
                )
            ],
        ),
    )
    """The clusters of the pool, at most 64, for example [{name: local, local: true}]. Without any, the queues
    of the pool wait. Default: none."""


class PoolClusterStatus(Model):
    """How a cluster of the pool is."""

    name: str = Field(max_length=LABEL_MAX)
    """The cluster's name in spec.clusters."""

    state: ClusterState = "Unknown"
    """Running: Jobs can go there. Pending: it is being connected. Terminated: it is disabled or gone.
    Unknown: it does not answer."""

    version: str | None = Field(default=None, max_length=64)
    """The Kubernetes version that it runs, v1.37.2 for example."""

    message: str | None = Field(default=None, max_length=1024)
    """What is wrong with it, where something is."""

    active: Count = 0
    """How many active Jobs of the pool's queues are there."""

    last_probe_time: Timestamp | None = None
    """When it was last asked how it is."""


class ClusterPoolStatus(Model):
    """What the pool is, as the operator last saw it."""

    clusters: list[PoolClusterStatus] = Field(
        default_factory=list, max_length=64, json_schema_extra=crd(list_map_keys=["name"])
    )
    """The clusters of the pool, how they are and how much runs on each."""

    queues: Annotated[int, Field(json_schema_extra=crd(format="int32"))] | None = None
    """How many queues the pool has. A pool with queues cannot be deleted."""

    observed_generation: Annotated[int, Field(json_schema_extra=crd(format="int64"))] | None = None
    """The metadata.generation that this status was computed from. If it is lower than the object's, the
    operator has not yet seen the last change."""

    conditions: list[Condition] = Field(
        default_factory=list, max_length=32, json_schema_extra=crd(list_map_keys=["type"])
    )
    """The short answers. Ready: at least one cluster can take Jobs. Reconciling and Stalled: as kstatus and
    GitOps tools read them."""


class ClusterPool(Resource):
    """A ClusterPool is a set of clusters behind a wall. A queue belongs to one pool, can use every cluster in
    it and none outside it, and never changes to another one. A cluster is in one pool only. The pool that
    comes with Headgate has the cluster that it runs in:

      apiVersion: headgate.dev/v1alpha1
      kind: ClusterPool
      metadata: {name: default}
      spec:
        clusters: [{name: local, local: true}]
    """  # noqa: D205, D400 - it is shown by kubectl explain, which has no summary line

    model_config = ConfigDict(json_schema_extra=crd(rules=[RESOURCE_NAME_RULE]))

    spec: ClusterPoolSpec
    """What the pool should be. Only you write it, the operator never does."""

    status: ClusterPoolStatus = ClusterPoolStatus()
    """What the pool is, as the operator last saw it. Only the operator writes it."""


KIND: Final = Kind(
    model=ClusterPool,
    plural="clusterpools",
    singular="clusterpool",
    short_names=("cpool",),
    columns=(
        Column("Clusters", ".spec.clusters[*].name", description="The clusters of the pool"),
        Column("Queues", ".status.queues", "integer", description="The queues in the pool"),
        Column("Ready", f"{READY}.status", description="Whether it can take Jobs"),
        Column("Reason", f"{READY}.reason", description="Why it is ready, or why not"),
        Column("Description", ".spec.description", "string", 1, "What it is for"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
