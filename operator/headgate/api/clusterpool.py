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
    SUBDOMAIN_MAX,
    ClusterState,
    Condition,
    Count,
    Model,
    Resource,
    Timestamp,
)
from headgate.api.schema import Column, Kind, Rule, crd

MemberState = Literal["Enabled", "Disabled"]
OnClusterLost = Literal["Wait", "Requeue"]

EVERY_CLUSTER: Final = "*"
KUBECONFIG_KEY: Final = "kubeconfig"

_SUBDOMAIN: Final = f"{LABEL_PATTERN}([.]{LABEL_PATTERN})*"

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


SecretNamespace = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[Rule(f"self.matches('^{LABEL_PATTERN}$')", f"a namespace's name is {NAME_WORDS}")]
        ),
    ),
]

SecretName = Annotated[
    str,
    Field(
        max_length=SUBDOMAIN_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(
                    f"self.matches('^{_SUBDOMAIN}$')",
                    f"a Secret's name is a DNS subdomain (1 to {SUBDOMAIN_MAX} characters of a-z, 0-9, '-' and '.', "
                    "with a letter or digit at either end of every part)",
                )
            ]
        ),
    ),
]

SecretKey = Annotated[
    str,
    Field(
        max_length=SUBDOMAIN_MAX,
        json_schema_extra=crd(
            default=True,
            rules=[
                Rule(
                    "self.matches('^[-._a-zA-Z0-9]+$')",
                    f"a key of a Secret is 1 to {SUBDOMAIN_MAX} characters of a-z, A-Z, 0-9, '-', '_' and '.'",
                )
            ],
        ),
    ),
]


class KubeconfigSecretRef(Model):
    """A Secret with a kubeconfig."""

    namespace: SecretNamespace
    """The Secret's namespace: one of those that the operator may read Secrets in, which are its own and the
    chart's clusters.secretNamespaces. Required."""

    name: SecretName
    """The Secret's name. Required."""

    key: SecretKey = KUBECONFIG_KEY
    """Where in the Secret's data the kubeconfig is. Default: kubeconfig."""

    def __str__(self) -> str:
        """Return it as messages name it: ``headgate-system/east[kubeconfig]``."""
        return f"{self.namespace}/{self.name}[{self.key}]"


class PoolMember(Model):
    """A cluster of the pool."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                Rule(
                    "(has(self.local) && self.local) != has(self.kubeconfigSecretRef)",
                    "a cluster is either the one that Headgate runs in or another one: set local: true, or "
                    "kubeconfigSecretRef, and not both",
                    message_expression="'cluster ' + self.name + ' is either the one that Headgate runs in or another "
                    "one: ' + (has(self.kubeconfigSecretRef) ? 'remove local: true, or kubeconfigSecretRef' : "
                    "'set local: true, or kubeconfigSecretRef to the Secret with its kubeconfig')",
                )
            ]
        )
    )

    name: ClusterName
    """What queues call the cluster in spec.clusters. A DNS label of at most 63 characters, and in one pool
    only."""

    state: MemberState = Field(default="Enabled", json_schema_extra=crd(default=True))
    """Enabled: Jobs are sent there. Disabled: no more Jobs are sent, those that run there go on; for
    maintenance, or before it is removed, which needs status to say active 0. Default: Enabled."""

    local: bool = False
    """True for the cluster that Headgate itself runs in. It then is the only cluster of its pool, and no other pool
    has it, unless the chart's clusters.localInManyPools lets them. Of local and kubeconfigSecretRef a cluster has
    one."""

    kubeconfig_secret_ref: KubeconfigSecretRef | None = None
    """How to reach a cluster that Headgate does not run in: a Secret with a kubeconfig. A change of the Secret
    takes effect without a restart. examples/clusters/member-rbac.yaml is the least that its user must be
    allowed there."""


def _local(clusters: str) -> str:
    """Return the CEL expression that says whether a pool is one of the local cluster."""
    return f"{clusters}.exists(c, has(c.local) && c.local)"


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
                    f"!{_local('self')} || self.size() == 1",
                    "a local cluster stands alone in its pool: put the others into a pool of their own",
                ),
                Rule(
                    f"self.size() == 0 || oldSelf.size() == 0 || {_local('self')} == {_local('oldSelf')}",
                    "a pool of the local cluster does not become one of remote clusters, nor the other way: make "
                    "another pool, and move the queues by drain and replace",
                ),
            ],
        ),
    )
    """The clusters of the pool, at most 64: [{name: local, local: true}], or remote ones. In a pool of remote
    clusters nothing runs in the cluster that Headgate runs in: a Job there stands for its copy in one of the
    pool's. Without any cluster, the queues of the pool wait. Default: none."""

    on_cluster_lost: OnClusterLost = Field(default="Wait", json_schema_extra=crd(default=True))
    """What becomes of the active Jobs of a remote cluster that is lost. Wait: they stay there, and nothing runs
    twice. Requeue: they go back to the head of their queue and run again elsewhere; what still runs in the
    lost cluster is deleted before anything else when it returns, so until then a Job can run twice. Default:
    Wait."""

    lost_after_seconds: int = Field(default=300, ge=5, le=86400, json_schema_extra=crd(default=True))
    """After how many seconds without an answer a remote cluster is lost: Unknown in the status. 5 to 86400.
    Default: 300."""

    @property
    def remote(self) -> bool | None:
        """Whether the clusters are others than the one that Headgate runs in, None where there are none."""
        return not any(cluster.local for cluster in self.clusters) if self.clusters else None


class PoolClusterStatus(Model):
    """How a cluster of the pool is."""

    name: str = Field(max_length=LABEL_MAX)
    """The cluster's name in spec.clusters."""

    state: ClusterState = "Unknown"
    """Running: Jobs can go there. Pending: it is being connected, or has not answered lately. Terminated: it
    is disabled or gone. Unknown: it is lost, it has not answered for spec.lostAfterSeconds."""

    version: str | None = Field(default=None, max_length=64)
    """The Kubernetes version that it runs, v1.37.2 for example."""

    message: str | None = Field(default=None, max_length=1024)
    """What is wrong with it, where something is."""

    active: Count = 0
    """How many active Jobs of the pool's queues are there."""

    last_probe_time: Timestamp | None = None
    """When a probe last found something else than the one before it. Probes that find the same are not written
    down."""

    not_ready_since: Timestamp | None = None
    """Since when it has not answered; nothing while it answers."""


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

    A pool of others, each reached with the kubeconfig in a Secret:

      apiVersion: headgate.dev/v1alpha1
      kind: ClusterPool
      metadata: {name: europe}
      spec:
        clusters:
          - name: east
            kubeconfigSecretRef: {namespace: headgate-system, name: east}
          - name: west
            kubeconfigSecretRef: {namespace: headgate-system, name: west}
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
