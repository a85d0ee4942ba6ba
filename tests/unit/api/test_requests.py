"""What a Job asks for: the rules of the kube-scheduler, one case each."""

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.api.job import ContractError
from headgate.api.quantity import UNIT, parse_quantity
from headgate.api.requests import NOTHING, request_of

Json = dict[str, Any]


def job(template: Json | None = None, **spec: Any) -> Json:
    """A Job of one pod at a time, unless the case says otherwise."""
    return {"spec": {"template": {"spec": template or {}}} | spec}


def containers(*requests: Json) -> list[Json]:
    return [{"resources": {"requests": asked}} for asked in requests]


def sidecar(**requests: str) -> Json:
    return {"restartPolicy": "Always", "resources": {"requests": requests}}


def init(**requests: str) -> Json:
    return {"resources": {"requests": requests}}


def pod_of(template: Json) -> dict[str, int]:
    """What one pod asks for, but for being one."""
    pod = dict(request_of(job(template)).pod)
    assert pod.pop("pods") == UNIT
    return pod


CASES: list[Any] = [
    pytest.param({}, {}, id="nothing"),
    pytest.param({"containers": [{}, {"resources": {}}]}, {}, id="containers that ask for nothing"),
    pytest.param(
        {"containers": containers({"cpu": "500m", "memory": "1Gi"}, {"cpu": "0.25", "nvidia.com/gpu": "2"})},
        {"cpu": "750m", "memory": "1Gi", "nvidia.com/gpu": "2"},
        id="containers are added up",
    ),
    pytest.param(
        {"containers": [{"resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}}]},
        {"cpu": "1", "memory": "1Gi"},
        id="a limit stands in for a request",
    ),
    pytest.param(
        {"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "0"}}}]},
        {},
        id="a request of nothing is a request",
    ),
    pytest.param(
        {
            "containers": containers({"cpu": "1", "memory": "1Gi"}),
            "initContainers": [init(cpu="3"), init(cpu="2", memory="2Gi")],
        },
        {"cpu": "3", "memory": "2Gi"},
        id="init containers run one by one, before the others",
    ),
    pytest.param(
        {"containers": containers({"cpu": "2"}), "initContainers": [init(cpu="1")]},
        {"cpu": "2"},
        id="a small init container changes nothing",
    ),
    pytest.param(
        {"containers": containers({"cpu": "1"}), "initContainers": [sidecar(cpu="1"), sidecar(cpu="2")]},
        {"cpu": "4"},
        id="sidecars run beside the containers",
    ),
    pytest.param(
        {"containers": containers({"cpu": "1"}), "initContainers": [sidecar(cpu="2"), init(cpu="5")]},
        {"cpu": "7"},
        id="an init container runs beside the sidecars before it",
    ),
    pytest.param(
        {"containers": containers({"cpu": "1"}), "initContainers": [init(cpu="5"), sidecar(cpu="2")]},
        {"cpu": "5"},
        id="and not beside those after it",
    ),
    pytest.param(
        {
            "containers": containers({"cpu": "1"}),
            "initContainers": [sidecar(cpu="2"), init(cpu="5"), sidecar(cpu="4"), init(memory="1Gi")],
        },
        {"cpu": "7", "memory": "1Gi"},
        id="each resource has its own peak",
    ),
    pytest.param(
        {"containers": [], "initContainers": [{"resources": {"limits": {"cpu": "3"}}}]},
        {"cpu": "3"},
        id="a limit stands in on an init container too",
    ),
    pytest.param(
        {"containers": [{"restartPolicy": "Always", **init(cpu="1")}], "initContainers": [init(cpu="2")]},
        {"cpu": "2"},
        id="only an init container is made a sidecar by its restart policy",
    ),
    pytest.param(
        {"containers": containers({"cpu": "1"}), "overhead": {"cpu": "250m", "memory": "120Mi"}},
        {"cpu": "1250m", "memory": "120Mi"},
        id="overhead comes on top",
    ),
    pytest.param(
        {
            "containers": containers({"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}),
            "initContainers": [init(cpu="9")],
            "resources": {"requests": {"cpu": "2"}},
            "overhead": {"cpu": "1"},
        },
        {"cpu": "3", "memory": "1Gi", "nvidia.com/gpu": "1"},
        id="a request of the pod replaces the sum, and overhead comes on top of it",
    ),
    pytest.param(
        {
            "containers": containers({"example.com/disk": "1"}),
            "resources": {"requests": {"example.com/disk": "9", "ephemeral-storage": "1Gi"}},
        },
        {"example.com/disk": "1"},
        id="but only for what a pod can ask for as a whole",
    ),
    pytest.param(
        {"containers": containers({"cpu": "1"}), "resources": {"limits": {"cpu": "4", "memory": "8Gi"}}},
        {"cpu": "1", "memory": "8Gi"},
        id="a limit of the pod stands in where no container asks",
    ),
    pytest.param(
        {"initContainers": [init(memory="0")], "resources": {"limits": {"memory": "8Gi"}}},
        {},
        id="asking for nothing is asking",
    ),
    pytest.param(
        {
            "containers": [{"resources": {"limits": {"hugepages-2Mi": "4Mi"}}}],
            "resources": {"limits": {"hugepages-2Mi": "8Mi"}},
        },
        {"hugepages-2Mi": "8Mi"},
        id="of huge pages the limit of the pod is the request",
    ),
]


@pytest.mark.parametrize(("template", "amounts"), CASES)
def test_what_a_pod_asks_for(template: Json, amounts: Json) -> None:
    assert pod_of(template) == {name: parse_quantity(text) for name, text in amounts.items()}


@pytest.mark.parametrize(
    ("spec", "succeeded", "pods"),
    [
        ({}, 0, 1),
        ({"parallelism": 4}, 0, 4),
        ({"parallelism": 0}, 0, 0),
        ({"parallelism": 4, "completions": 10}, 0, 4),
        ({"parallelism": 4, "completions": 10}, 6, 4),
        ({"parallelism": 4, "completions": 10}, 7, 3),
        ({"parallelism": 4, "completions": 10}, 10, 0),
        ({"parallelism": 4, "completions": 10}, 11, 0),
        ({"parallelism": 4, "completions": 2}, 0, 2),
        ({"completions": 5}, 0, 1),
        ({"parallelism": 4, "completions": 0}, 0, 0),
        # without completions any pod that succeeds ends the Job, and none replaces it
        ({"parallelism": 4}, 1, 4),
        ({"parallelism": None, "completions": None}, 0, 1),
    ],
)
def test_how_many_pods_run_at_the_same_time(spec: Json, succeeded: int, pods: int) -> None:
    one = {"containers": containers({"cpu": "500m"})}
    request = request_of(job(one, **spec) | {"status": {"succeeded": succeeded}})
    assert request.pods == pods
    expected = {"cpu": pods * UNIT // 2, "pods": pods * UNIT} if pods else {}
    assert dict(request.total) == expected


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": {}}, {"status": {"succeeded": None}}])
def test_a_job_that_has_not_begun(status: Json) -> None:
    assert request_of(job(parallelism=3, completions=3) | status).pods == 3


@pytest.mark.parametrize(
    "nothing", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": {"template": {}}}]
)
def test_half_a_job_crashes_nothing(nothing: Json) -> None:
    assert dict(request_of(nothing).total) == {"pods": UNIT}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ({"containers": [{}, *containers({"cpu": "many"})]}, "containers[1].resources.requests['cpu']"),
        ({"containers": [{"resources": {"limits": {"cpu": "-1"}}}]}, "containers[0].resources.limits['cpu']"),
        ({"initContainers": [init(memory="1GB")]}, "initContainers[0].resources.requests['memory']"),
        ({"resources": {"requests": {"cpu": 1}}}, "resources.requests['cpu']"),
        ({"overhead": {"cpu": None}}, "overhead['cpu']"),
    ],
)
def test_an_unreadable_quantity_names_its_field(template: Json, path: str) -> None:
    with pytest.raises(ContractError, match="must be a quantity of at least 0") as caught:
        request_of(job(template))
    assert caught.value.field_path == f"spec.template.spec.{path}"


def test_sums_are_exact() -> None:
    tenths = {"containers": containers(*[{"cpu": "0.1"}] * 3)}
    assert request_of(job(tenths, parallelism=10)).total[0] == ("cpu", parse_quantity("3"))


def test_equal_requests_are_the_same_object() -> None:
    first = request_of(job({"containers": containers({"cpu": "1", "memory": "1Gi"})}))
    second = request_of(job({"containers": containers({"memory": "1024Mi", "cpu": "1000m"})}))
    assert first is second
    assert request_of(job(parallelism=0)) is not NOTHING
    assert (NOTHING.pods, NOTHING.total) == (0, ())


def test_a_request_that_no_job_has_any_more_is_forgotten() -> None:
    request = weakref.ref(request_of(job({"containers": containers({"cpu": "123456u"})})))
    gc.collect()
    assert request() is None


AMOUNT = st.integers(0, 9).map(str)
RESOURCES = st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), AMOUNT, max_size=3)
INIT = st.tuples(st.booleans(), RESOURCES)


@given(st.lists(RESOURCES, max_size=3), st.lists(INIT, max_size=4))
def test_a_pod_asks_for_its_largest_moment(running: list[Json], starting: list[tuple[bool, Json]]) -> None:
    """Plays the life of a pod: every moment of it, and what is in it then."""
    moments: list[list[Json]] = []
    sidecars: list[Json] = []
    for is_sidecar, asked in starting:
        moments.append([*sidecars, asked])
        if is_sidecar:
            sidecars.append(asked)
    moments.append([*sidecars, *running])

    expected = {
        name: max(sum(int(asked.get(name, 0)) for asked in moment) for moment in moments) * UNIT
        for name in ("cpu", "memory", "nvidia.com/gpu")
    }
    template = {
        "containers": containers(*running),
        "initContainers": [
            sidecar(**asked) if is_sidecar else init(**asked) for is_sidecar, asked in starting
        ],
    }
    assert pod_of(template) == {name: amount for name, amount in expected.items() if amount}
