"""ComputeEnvironment: a kind of compute in the clusters of a pool, with a shape, a capacity and its nodes.

That its clusters are in its pool needs the pool too, so it is an admission policy in `headgate.admission`; the
rules here need nothing but the environment.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from headgate.api.clusterpool import EVERY_CLUSTER, MemberState, SelectedClusters
from headgate.api.meta import (
    INT32_MAX,
    LABEL_MAX,
    LABEL_PATTERN,
    NAME_WORDS,
    READY,
    RESOURCE_NAME_RULE,
    SUBDOMAIN_MAX,
    ClusterState,
    Condition,
    Count,
    Limit,
    Model,
    Resource,
)
from headgate.api.names import DEFAULT_NAME
from headgate.api.quantity import QUANTITY_LENGTH_MAX, Amounts, Quantity, Size, parse_amounts, parse_quantity
from headgate.api.schema import Column, Kind, Rule, crd

ComputeType = Literal["OnDemand", "Spot", "Serverless", "ServerlessSpot"]

ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"
RESOURCES_MAX: Final = 32
RESOURCES_LISTED_MAX: Final = 64
KEY_MAX: Final = SUBDOMAIN_MAX + 1 + LABEL_MAX

_VALUE_PATTERN: Final = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE_WORDS: Final = (
    f"the value of a label (at most {LABEL_MAX} characters of a-z, A-Z, 0-9, '-', '_' and '.', with a letter or "
    "digit at either end)"
)
# The name in it has the length of a label; the DNS subdomain before it is bounded apart.
_KEY_PATTERN: Final = (
    rf"({LABEL_PATTERN}([.]{LABEL_PATTERN})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,{LABEL_MAX - 2}}}[A-Za-z0-9])?"
)

EnvironmentPool = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            default=True,
            rules=[
                Rule(f"self.matches('^{LABEL_PATTERN}$')", f"a pool's name is {NAME_WORDS}"),
                Rule(
                    "self == oldSelf",
                    "a compute environment never changes its pool: create another one in the other pool",
                    message_expression="'a compute environment never changes its pool, and this one is in ' + "
                    "oldSelf + ': create another one in ' + self",
                ),
            ],
        ),
    ),
]

NodeLabelValue = Annotated[
    str,
    Field(
        max_length=LABEL_MAX,
        json_schema_extra=crd(
            rules=[Rule(f"self == '' || self.matches('^{_VALUE_PATTERN}$')", f"it is {_VALUE_WORDS}")]
        ),
    ),
]

ResourceList = Annotated[
    dict[str, Annotated[str, Field(max_length=QUANTITY_LENGTH_MAX)]], Field(max_length=RESOURCES_LISTED_MAX)
]
"""Quantities by resource, as the operator writes them."""


def _label_key(subject: str) -> str:
    return (
        f"{subject} is 1 to {LABEL_MAX} characters of a-z, A-Z, 0-9, '-', '_' and '.', with a letter or digit at "
        "either end, and may have a DNS subdomain and '/' before it"
    )


def _fixed(field: str, words: str) -> Rule:
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{words} of a compute environment is fixed when it is created: create another one",
        field_path=f".{field}",
    )


class InstanceShape(Model):
    """What one instance of the environment is like."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[_fixed("machineType", "the machine type"), _fixed("architecture", "the architecture")]
        )
    )

    name: str = Field(default="", max_length=LABEL_MAX)
    """What you call the shape: "large", for example. At most 63 characters."""

    machine_type: Annotated[str, Field(min_length=1, max_length=LABEL_MAX)] | None = None
    """The type of machine, in the words of whoever provides it: m7i.4xlarge, for example. Headgate only shows
    it; to place Jobs by it, put the label of the nodes into nodeSelector. It cannot be changed, added or
    removed."""

    architecture: (
        Annotated[
            str,
            Field(
                max_length=LABEL_MAX,
                json_schema_extra=crd(
                    rules=[
                        Rule(
                            f"self.matches('^{_VALUE_PATTERN}$')",
                            "an architecture is what the nodes have in the label kubernetes.io/arch, amd64 or arm64 "
                            "for example",
                        )
                    ]
                ),
            ),
        ]
        | None
    ) = None
    """The architecture of the nodes: amd64, arm64 or another value of the label kubernetes.io/arch, by which
    Jobs are placed then. All environments of a queue have the same. It cannot be changed, added or
    removed."""

    cpu: Size | None = None
    """The cores that Jobs can request on one instance: 16 or 500m, for example. A Job of which one pod
    requests more never goes there."""

    memory: Size | None = None
    """The memory that Jobs can request on one instance: 64Gi, for example. A Job of which one pod requests
    more never goes there."""


class Toleration(Model):
    """A taint of the environment's nodes that its Jobs tolerate, written as in a pod."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                Rule(
                    "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
                    "a toleration without a key is for every taint: set operator: Exists",
                    field_path=".operator",
                ),
                Rule(
                    "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
                    "with the operator Exists the value is not looked at: remove it",
                    field_path=".value",
                ),
                Rule(
                    "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                    "tolerationSeconds is for the effect NoExecute only: set effect: NoExecute, or remove it",
                    field_path=".tolerationSeconds",
                ),
                Rule(
                    f"!has(self.key) || self.key == '' || "
                    f"(self.key.indexOf('/') <= {SUBDOMAIN_MAX} && self.key.matches('^{_KEY_PATTERN}$'))",
                    _label_key("the key of a taint"),
                    field_path=".key",
                ),
            ]
        )
    )

    key: Annotated[str, Field(max_length=KEY_MAX)] | None = None
    """The key of the taint. Without one, and with the operator Exists, it is for every taint."""

    operator: Literal["Exists", "Equal"] | None = None
    """Exists: whatever the taint's value is. Equal, or none: the taint has the value given here."""

    value: NodeLabelValue | None = None
    """The value of the taint."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The effect of the taint: NoSchedule, PreferNoSchedule or NoExecute. Without one, it is for all of
    them."""

    toleration_seconds: Annotated[int, Field(json_schema_extra=crd(format="int64"))] | None = None
    """How long a pod stays after a taint with the effect NoExecute has come. Without it, for good."""


class ScaleTargetRef(Model):
    """An object that has a scale subresource."""

    api_version: str = Field(min_length=1, max_length=317)
    """Its API group and version: apps/v1, for example."""

    kind: str = Field(min_length=1, max_length=LABEL_MAX)
    """Its kind: Deployment, for example."""

    name: str = Field(min_length=1, max_length=253)
    """Its name."""

    namespace: Annotated[str, Field(min_length=1, max_length=LABEL_MAX)] | None = None
    """Its namespace; none for a kind that is not in namespaces."""


class Scaling(Model):
    """How many instances the environment has."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[Rule("self.min <= self.max", "min must not be more than max", field_path=".min")]
        )
    )

    target_ref: ScaleTargetRef
    """What is scaled: any object that has a scale subresource, such as a Deployment, or what a provider of
    nodes has for a group of them. Its replicas are the instances of the environment. To set or change
    anything of scaling, you need the right to patch or update the scale of that object yourself."""

    min: Limit = Field(default=0, json_schema_extra=crd(default=True))
    """How many instances there are at least. Default: 0."""

    max: Annotated[int, Field(ge=1, le=INT32_MAX)]
    """How many instances there are at most. Required."""

    idle_timeout_seconds: Limit = Field(default=0, json_schema_extra=crd(default=True))
    """After how many seconds without live Jobs in the queues that use it the environment shrinks to min. 0
    never. Default: 0."""


class ComputeEnvironmentSpec(Model):
    """What the environment should be."""

    model_config = ConfigDict(
        json_schema_extra=crd(
            rules=[
                Rule(
                    "!has(self.scaling) || has(self.instanceShape.cpu) || has(self.instanceShape.memory)",
                    "scaling needs the size of an instance: set instanceShape.cpu, instanceShape.memory or both",
                    field_path=".scaling",
                ),
                Rule(
                    "!has(self.instanceShape.architecture) || !has(self.nodeSelector) || "
                    f"!('{ARCHITECTURE_LABEL}' in self.nodeSelector) || "
                    f"self.nodeSelector['{ARCHITECTURE_LABEL}'] == self.instanceShape.architecture",
                    f"nodeSelector['{ARCHITECTURE_LABEL}'] must be what instanceShape.architecture is; it can also "
                    "be left out",
                    field_path=".nodeSelector",
                ),
            ]
        )
    )

    description: str = Field(default="", max_length=1024)
    """What the environment is for, and whom to ask about it. At most 1024 characters."""

    pool: EnvironmentPool = DEFAULT_NAME
    """The ClusterPool in whose clusters the environment is. It cannot be changed. A pool that does not exist
    yet is no error: the environment is Invalid until it does. Default: default."""

    clusters: SelectedClusters = [EVERY_CLUSTER]
    """Which clusters of the pool have the environment: 1 to 64 names, or only "*" for every one that is
    enabled and healthy. A Job goes to one that its queue may use too. Default: ["*"]."""

    state: MemberState = Field(default="Enabled", json_schema_extra=crd(default=True))
    """Enabled: Jobs are sent there. Disabled: no more Jobs are sent, those that run there go on. Default:
    Enabled."""

    type: Annotated[
        ComputeType,
        Field(
            json_schema_extra=crd(
                rules=[
                    Rule(
                        "self == oldSelf",
                        "the type of a compute environment is fixed when it is created: create another one",
                    )
                ]
            )
        ),
    ]
    """What kind of compute it is: OnDemand, Spot, Serverless or ServerlessSpot. A queue uses OnDemand and
    Spot, or Serverless and ServerlessSpot, never both. It cannot be changed. Required."""

    instance_shape: InstanceShape = Field(default=InstanceShape(), json_schema_extra=crd(default=True))
    """What one instance is like. Its size may change, its machine type and architecture may not."""

    capacity: dict[str, Quantity] = Field(
        default={},
        max_length=RESOURCES_MAX,
        json_schema_extra=crd(
            default=True,
            rules=[
                Rule(
                    f"self.all(k, k.size() >= 1 && k.size() <= {KEY_MAX})",
                    f"the name of a resource has 1 to {KEY_MAX} characters",
                )
            ],
        ),
    )
    """The most that admitted Jobs may request together in each cluster, by resource: {cpu: 64, memory: 256Gi,
    nvidia.com/gpu: 8}, for example. A resource that is not named is not limited, and "pods" counts pods. At
    most 32. Default: {}, no limit."""

    node_selector: dict[str, NodeLabelValue] = Field(
        default_factory=dict,
        max_length=RESOURCES_MAX,
        json_schema_extra=crd(
            rules=[
                Rule(
                    f"self.all(k, k.indexOf('/') <= {SUBDOMAIN_MAX} && k.matches('^{_KEY_PATTERN}$'))",
                    _label_key("the key of a label"),
                )
            ]
        ),
    )
    """The labels of the environment's nodes. A Job gets them into its own node selector when it is admitted;
    one that asks for another value goes elsewhere. At most 32."""

    tolerations: list[Toleration] = Field(default_factory=list, max_length=RESOURCES_MAX)
    """The taints of the environment's nodes. A Job gets these tolerations when it is admitted, beside its
    own. At most 32."""

    scaling: Scaling | None = None
    """How many instances there are, if Headgate is to scale them. Without it, capacity alone says what there
    is."""

    @property
    def target(self) -> ScaleTargetRef | None:
        """What is scaled, None where nothing is."""
        return self.scaling.target_ref if self.scaling else None

    @property
    def selector(self) -> dict[str, str]:
        """The labels of the nodes with the architecture among them."""
        architecture = self.instance_shape.architecture
        return {**({ARCHITECTURE_LABEL: architecture} if architecture else {}), **self.node_selector}

    @property
    def tolerations_to_add(self) -> list[dict[str, Any]]:
        """The tolerations as they stand in a pod."""
        return [toleration.to_dict() for toleration in self.tolerations]

    @property
    def capacity_amounts(self) -> Amounts:
        """What may be requested together in a cluster, sorted by name.

        Unlike in other amounts one of 0 is kept: nothing of it may be requested, while a resource that is
        missing is not limited.
        """
        return tuple((name, parse_quantity(text)) for name, text in sorted(self.capacity.items()))

    @property
    def shape_amounts(self) -> Amounts:
        """The cpu and memory of one instance, as far as they are known."""
        shape = self.instance_shape
        sizes = {"cpu": shape.cpu, "memory": shape.memory}
        return parse_amounts({name: size for name, size in sizes.items() if size is not None})


class EnvironmentCluster(Model):
    """The environment in one cluster."""

    name: str = Field(max_length=LABEL_MAX)
    """The cluster's name in the pool."""

    active: Count = 0
    """How many active Jobs are there."""

    requested: ResourceList = Field(default_factory=dict)
    """What those Jobs request together: of at most 64 resources, those that are limited first."""

    free: ResourceList = Field(default_factory=dict)
    """What can still be requested, of the resources that are limited."""


class ScalingStatus(Model):
    """How many instances there are."""

    state: ClusterState = "Unknown"
    """Running: as many as wanted are there. Pending: the number is on its way to what is wanted. Terminated:
    there are none. Unknown: the object to scale cannot be read, see message."""

    replicas: Count = 0
    """How many the object to scale is asked for."""

    ready_replicas: Count = 0
    """How many it has."""

    wanted: Count = 0
    """How many the environment needs now, within min and max."""

    message: str | None = Field(default=None, max_length=1024)
    """What is wrong, where something is."""


class ComputeEnvironmentStatus(Model):
    """What the environment is, as the operator last saw it."""

    state: Literal["Valid", "Invalid"] | None = None
    """Valid: Jobs can be sent there. Invalid: none are until what the condition Stalled names is changed."""

    active: Count = 0
    """How many active Jobs are there, in all clusters."""

    requested: ResourceList = Field(default_factory=dict)
    """What those Jobs request together: of at most 64 resources, those that are limited first."""

    capacity: ResourceList = Field(default_factory=dict)
    """What can be requested together, in all clusters: spec.capacity, and with scaling what the instances
    have that are there."""

    free: ResourceList = Field(default_factory=dict)
    """What can still be requested, of the resources that are limited."""

    clusters: list[EnvironmentCluster] = Field(
        default_factory=list, max_length=64, json_schema_extra=crd(list_map_keys=["name"])
    )
    """The clusters that spec.clusters stands for now, and how much is used in each."""

    scaling: ScalingStatus | None = None
    """How many instances there are, where Headgate scales them."""

    queues: Annotated[int, Field(json_schema_extra=crd(format="int32"))] | None = None
    """How many queues use the environment."""

    observed_generation: Annotated[int, Field(json_schema_extra=crd(format="int64"))] | None = None
    """The metadata.generation that this status was computed from. If it is lower than the object's, the
    operator has not yet seen the last change."""

    conditions: list[Condition] = Field(
        default_factory=list, max_length=32, json_schema_extra=crd(list_map_keys=["type"])
    )
    """The short answers. Ready: Jobs can be sent there. Reconciling and Stalled: as kstatus and GitOps tools
    read them; Stalled has a reason such as PoolNotFound, ClusterNotInPool, InvalidSpec, ScaleTargetNotFound or
    ScaleTargetUnreadable, and heals by itself when that changes."""


class ComputeEnvironment(Resource):
    """A ComputeEnvironment is a kind of compute in the clusters of a pool: which nodes, and how much of them
    Jobs may request together. Queues name the environments that they use; a Job goes to the first that has
    room for it, and gets the environment's node selector and tolerations as it is admitted:

      apiVersion: headgate.dev/v1alpha1
      kind: ComputeEnvironment
      metadata: {name: spot-amd64}
      spec:
        type: Spot
        instanceShape: {architecture: amd64}
        capacity: {cpu: 64, memory: 256Gi}
        nodeSelector: {example.com/pool: spot}
    """  # noqa: D205, D400 - it is shown by kubectl explain, which has no summary line

    model_config = ConfigDict(json_schema_extra=crd(rules=[RESOURCE_NAME_RULE]))

    spec: ComputeEnvironmentSpec
    """What the environment should be. Only you write it, the operator never does."""

    status: ComputeEnvironmentStatus = ComputeEnvironmentStatus()
    """What the environment is, as the operator last saw it. Only the operator writes it."""


KIND: Final = Kind(
    model=ComputeEnvironment,
    plural="computeenvironments",
    singular="computeenvironment",
    short_names=("ce",),
    selectable_fields=(".spec.pool", ".spec.state"),
    columns=(
        Column("Type", ".spec.type", description="What kind of compute it is"),
        Column("Pool", ".spec.pool", description="The pool in whose clusters it is"),
        Column("State", ".spec.state", description="Whether Jobs are to be sent there"),
        Column("Status", ".status.state", description="Whether they can be"),
        Column("Active", ".status.active", "integer", description="Jobs admitted there and not finished"),
        Column("Replicas", ".status.scaling.replicas", "integer", description="Instances asked for"),
        Column("Ready", f"{READY}.status", description="Whether Jobs can be sent there"),
        Column("Reason", f"{READY}.reason", description="Why it is ready, or why not"),
        Column("Queues", ".status.queues", "integer", 1, "The queues that use it"),
        Column("Clusters", ".spec.clusters", "string", 1, "The clusters that have it"),
        Column("Description", ".spec.description", "string", 1, "What it is for"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
