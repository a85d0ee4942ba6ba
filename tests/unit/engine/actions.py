"""What may happen in a random history: each action takes two plain numbers and does one thing, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tests.builders import asks
from tests.unit.engine.templates import CONSTRAINTS, GPU, SPOT

from headgate.api.jobqueue import QueueEnvironment, TimeLimitAction
from headgate.engine.job import RESULTS, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.engine.server import Kind
    from tests.unit.engine.simulation import Simulation

    from headgate.engine.job import Job

T = TypeVar("T")

KINDS: tuple[Kind, ...] = ("pool", "environment", "policy", "queue", "job")
"""In the order in which an operator has them told when it starts."""

QUEUES = {"a": "p", "b": "p", "c": "p", "d": "q"}
"""Names of queues, and the pool that each is in whenever it exists."""
STATES = {
    "Active": ("Active", "Drained", "Sealed", "Terminated"),
    "Drained": ("Active", "Drained", "Sealed", "Terminated"),
    "Sealed": ("Sealed", "Terminated"),
    "Terminated": ("Terminated",),
}
MODES = ("FIFO", "LIFO", "PRIORITY")
ENVIRONMENTS: dict[str, tuple[str, ...]] = {"p": ("e1", "e2", "e4"), "q": ("e3",)}
ORDERS = ((), (0,), (1, 0), (0, 1), (0, 2), (0,), (0, 1, 2), (1,))
POLICIES = (None, "f1", None, "f2")
REQUESTS = tuple(
    asks(text, pods=pods)
    for text, pods in (
        ("", 1),
        ("cpu=1", 1),
        ("cpu=2", 1),
        ("cpu=1 memory=2Gi", 2),
        ("cpu=3", 1),
        ("cpu=500m memory=4Gi", 1),
        ("cpu=1", 1),
        ("cpu=2", 1),
        ("cpu=4", 1),
        ("memory=3Gi", 2),
        ("cpu=3 memory=1Gi", 1),
        ("cpu=2", 2),
        ("cpu=1", 3),
        ("cpu=9", 1),
        ("cpu=2 example.com/gpu=1", 1),
        ("cpu=1500m", 1),
        ("cpu=1", 1),
    )
)
DEADLINES = (None, 30, 60, 300, 3600)
LIMITS = ("InsufficientCapacity", "ExceedsEnvironmentMaximum", "NoMatchingEnvironment")


def pick(among: Sequence[T], number: int) -> T | None:
    return among[number % len(among)] if among else None


def create_queue(sim: Simulation, which: int, how: int) -> None:
    name = list(QUEUES)[which % 4]
    if name in sim.server.queues:
        return
    if name in sim.server.buried:
        # Whose Jobs are gone before it is created does not count them: let that be told in order.
        sim.deliver("job", 10_000)
    sim.server.create_queue(
        name,
        pool=QUEUES[name],
        run_concurrency=(0, 0, 2)[how % 3],
        action_concurrency=(0, 1, 2, 5)[how // 3 % 4],
        depth=(0, 2, 10_000, 10_000)[how // 12 % 4],
        fairness=("RoundRobin", "RoundRobin", "ShuffleInterleave")[how // 48 % 3],
        execution_mode=MODES[how // 144 % 3],
        compute_environments=named(name, how // 432),
        head_of_line=("Block", "Backfill")[how // 5 % 2],
        scheduling_policy=POLICIES[how // 7 % 4],
        time_limit_actions=limits(how // 11),
        retry_affinity=("PreferWarmest", "PreferDifferent")[how // 13 % 2],
        clusters=(["*"], ["*"], [f"{QUEUES[name]}1"])[how // 17 % 3],
    )


def create_rival(sim: Simulation, which: int, how: int) -> None:
    """A queue that contends with the others for room, and is not much limited otherwise."""
    name = list(QUEUES)[which % 4]
    if name in sim.server.queues or name in sim.server.buried:
        return
    places = {"p": (("e1",), ("e1", "e2"), ("e2", "e1"), ("e4",)), "q": (("e3",),)}[QUEUES[name]]
    sim.server.create_queue(
        name,
        pool=QUEUES[name],
        run_concurrency=0,
        action_concurrency=(0, 0, 0, 6)[how % 4],
        depth=0,
        priority=("medium", "medium", 100)[how // 4 % 3],
        fairness=("RoundRobin", "RoundRobin", "ShuffleInterleave")[how // 12 % 3],
        execution_mode=MODES[how // 36 % 3],
        compute_environments=[
            {"name": place, "order": order} for order, place in enumerate(places[how // 108 % len(places)])
        ],
        head_of_line=("Backfill", "Backfill", "Block")[how // 432 % 3],
        scheduling_policy=POLICIES[how // 1296 % 4],
        time_limit_actions=limits(how // 5184),
        retry_affinity=("PreferWarmest", "PreferDifferent")[how // 7 % 2],
        clusters=(["*"], ["*"], ["*"], [f"{QUEUES[name]}1"])[how // 17 % 4],
    )


def named(queue: str, how: int) -> list[dict[str, Any]]:
    """Environments in order: mostly of the queue's own pool."""
    own = ENVIRONMENTS[QUEUES[queue]]
    if how % 41 == 0:
        own = ("e3", "e1", "gone")
    return [
        {"name": own[which], "order": 3 * place}
        for place, which in enumerate(one for one in ORDERS[how % len(ORDERS)] if one < len(own))
    ]


def limits(how: int) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "maxTimeSeconds": 600 + how % 100, "action": ("Cancel", "Terminate")[how % 2]}
        for reason in LIMITS[: how % 4]
    ]


def change_queue(sim: Simulation, which: int, how: int) -> None:
    name = pick(sorted(sim.server.queues), which)
    if name is None:
        return
    spec = sim.server.queues[name].spec
    value = how // 14
    dispatch = spec.dispatch.model_copy(update={"paused": not spec.dispatch.paused})
    states = STATES[spec.state]
    changes: tuple[dict[str, Any], ...] = (
        {"run_concurrency": value % 4},
        {"action_concurrency": value % 4},
        {"depth": (0, 1, 2, 4)[value % 4]},
        {"priority": (1, "medium", 50, 100)[value % 4]},
        {"execution_mode": MODES[value % 3], "fairness": ("RoundRobin", "ShuffleInterleave")[value // 3 % 2]},
        {"dispatch": dispatch},
        {"state": states[value % len(states)]} if value // 4 % 3 == 0 else {"state": states[0]},
        {"clusters": (["*"], ["p1"], ["p2", "p1"], ["q1"], ["nowhere"], ["p3", "p2"])[value % 6]},
        {"compute_environments": [QueueEnvironment.model_validate(one) for one in named(name, value)]},
        {"head_of_line": ("Block", "Backfill")[value % 2]},
        {"scheduling_policy": ("f1", "f2", "f3")[value % 3]} if spec.scheduling_policy else {},
        {"time_limit_actions": [TimeLimitAction.model_validate(one) for one in limits(value)]},
        {"retry_affinity": ("PreferWarmest", "PreferDifferent")[value % 2]},
        {"idle_timeout_seconds": (0, 100, 500)[value % 3]},
    )
    sim.server.change_queue(name, **changes[how % 14])


def delete_queue(sim: Simulation, which: int, how: int) -> None:
    name = pick(sorted(sim.server.queues), which)
    if name is not None:
        sim.server.delete_queue(name)


def change_pool(sim: Simulation, which: int, how: int) -> None:
    """A pool comes, changes or goes; one that is deleted may come back with clusters of the other kind."""
    name = "pppq"[which % 4]
    if how % 8 == 0:
        sim.server.delete_pool(name)
        return
    remote = sim.server.kinds[name][-1] is not (how // 7 % 3 == 0)
    lost = {
        "on_cluster_lost": ("Requeue", "Requeue", "Wait")[how // 5 % 3],
        "lost_after_seconds": (60, 5, 300)[how // 11 % 3],
    }
    if name == "q":
        sim.server.put_pool("q", "q1", remote=remote, disabled=("", "", "q1")[how % 3], **lost)
        return
    clusters = ("p1 p2 p3", "p1 p2 p3", "p2 p3", "p3 p1") if remote else ("p1 p2", "p1 p2", "p2", "p1")
    sim.server.put_pool(
        "p",
        clusters[how // 8 % 4],
        remote=remote,
        disabled=("", "p1", "", "p1 p2", "p3", "", "p2")[how % 7],
        **lost,
    )


ENVIRONMENT_FIELDS: tuple[dict[str, Any], ...] = (
    {"capacity": "cpu=4 memory=8Gi"},
    {"capacity": "cpu=6 example.com/gpu=1"},
    {"capacity": "cpu=2"},
    {"capacity": "memory=5Gi pods=3"},
    {"capacity": ""},
    {"capacity": "cpu=8 example.com/gpu=0", "shape": "cpu=3"},
    {"capacity": "cpu=5", "state": "Disabled"},
    {"capacity": "cpu=4", "clusters": "p2"},
    {"capacity": "cpu=5", "clusters": "p1 p2"},
    {"capacity": "cpu=6", "node_selector": {"zone": "z1"}, "tolerations": [SPOT, GPU]},
    {"capacity": "cpu=4", "node_selector": {"zone": "z2", "rank": "5"}, "tolerations": [GPU]},
    {"capacity": "cpu=7 memory=12Gi"},
)


def change_environment(sim: Simulation, which: int, how: int) -> None:
    """An environment comes, changes or goes. Pool, type and architecture are the same all its life."""
    name = ("e1", "e2", "e1", "e2", "e4", "e3", "e4")[which % 7]
    if how % 9 == 0:
        sim.server.delete_environment(name)
        return
    known = sim.server.environments.get(name)
    fields = dict(ENVIRONMENT_FIELDS[how // 9 % len(ENVIRONMENT_FIELDS)])
    fields["pool"] = "q" if name == "e3" else "p"
    if name == "e3" and fields.get("clusters"):
        fields["clusters"] = "q1"
    if known is None:
        fields["type"] = ("OnDemand", "Spot", "OnDemand", "Spot", "Serverless")[how // 108 % 5]
        fields["architecture"] = (None, None, "amd64", "arm64")[how // 540 % 4]
    else:
        fields["type"], fields["architecture"] = known.spec.type, known.spec.instance_shape.architecture
    if name == "e4":
        # Mostly it is in one cluster: its machines are those of that.
        fields["clusters"] = ("p1", "p2", "p1", "p1 p2", "*")[how // 11 % 5]
        fields["shape"] = "cpu=2 memory=4Gi"
        fields["scaling"] = ((0, 3, 0), (1, 4, 120), (0, 2, 60))[how // 5 % 3]
    sim.server.put_environment(name, **fields)


def change_policy(sim: Simulation, which: int, how: int) -> None:
    name = ("f1", "f2", "f2", "f3")[which % 4]
    if how % 7 == 0:
        sim.server.delete_policy(name)
        return
    weights: tuple[dict[str, float], ...] = ({}, {"red": 0.5}, {"re*": 2, "red": 0.25, "*": 1.5}, {"x": 100})
    sim.server.put_policy(
        name,
        weights=weights[how // 7 % 4],
        decay=0 if name == "f1" else (3600, 60, 86_400)[how // 28 % 3],
        reservation=(0, 0, 50, 20)[how // 84 % 4],
    )


def machines(sim: Simulation, which: int, how: int) -> None:
    """Machines come, or are asked for, or it is looked how many there are."""
    name = ("e1", "e2", "e4", "e4")[which % 4]
    if how % 3 == 0:
        sim.scale(lose=how % 5 == 0)
    elif how % 3 == 1:
        sim.server.machines_come(name)
    sim.read_scale(name, fail=how % 11 == 0)


def probe(sim: Simulation, which: int, how: int) -> None:
    """A cluster falls silent or answers again, or they are only asked how they are."""
    cluster = ("p1", "p2", "p3", "q1")[which % 4]
    if how % 4 == 0:
        sim.server.dead.add(cluster)
    elif how % 4 == 1:
        sim.server.dead.discard(cluster)
    elif how % 4 == 2:
        sim.probe_all()
    sim.probe(cluster)


def hold_cluster(sim: Simulation, which: int, how: int) -> None:
    sim.hold(("p1", "p2", "p3", "q1")[which % 4])


def lose_cluster(sim: Simulation, which: int, how: int) -> None:
    """A cluster, mostly one with Jobs in it, is silent for longer than its pool bears."""
    used = {job.cluster for job in _live(sim) if job.managed and job.cluster is not None}
    cluster = pick(sorted(used or {"p1", "p2", "p3"}), which)
    assert cluster is not None
    sim.server.dead.add(cluster)
    sim.probe(cluster)
    sim.server.now += (61.0, 6.0, 301.0)[how % 3]
    sim.probe(cluster)


def return_clusters(sim: Simulation, which: int, how: int) -> None:
    sim.server.dead.clear()
    if how % 3:
        sim.probe_all()


def submit(sim: Simulation, which: int, how: int) -> None:
    queue = list(QUEUES)[(0, 0, 0, 1, 1, 2, 3)[which % 7]]
    namespace = "xy"[how % 2]
    proxies = sim.server.kinds[QUEUES[queue]][-1]
    owners = [job.uid for job in sim.server.jobs.values() if job.namespace == namespace]
    sim.server.submit(
        queue,
        namespace=namespace,
        project=(namespace, namespace, "red", "blue")[how // 2 % 4],
        priority=how // 8 % 3,
        run_label=(None, None, "r", "s")[how // 24 % 4],
        owner_uid=pick(owners, how // 7) if how // 96 % 3 == 0 else None,
        held=how % 11 == 0,
        error="metadata: wrong" if how % 23 == 0 else None,
        pool=(QUEUES[queue], QUEUES[queue], None, "q")[how // 288 % 4] if how % 5 == 0 else QUEUES[queue],
        state=JobState.UNADMITTED if how % 17 == 0 else JobState.WAITING,
        share=(None, None, "red", "blue", "back")[how // 19 % 5],
        request=REQUESTS[how // 3 % len(REQUESTS)],
        deadline=DEADLINES[how // 13 % len(DEADLINES)],
        constraints=CONSTRAINTS[how // 29 % len(CONSTRAINTS)] if how % 3 == 0 else CONSTRAINTS[0],
        depends_on=depends_on(sim, namespace, how // 31) if how % 13 == 0 else (),
        retry_of=pick(names_in(sim, namespace), how // 37) if how % 6 == 0 else None,
        managed=proxies if how % 19 else not proxies,
    )


def names_in(sim: Simulation, namespace: str) -> list[str]:
    return sorted(job.name for job in sim.server.jobs.values() if job.namespace == namespace)


def depends_on(sim: Simulation, namespace: str, how: int) -> tuple[str, ...]:
    """Jobs that are there, that will come, or that never do."""
    names = [*names_in(sim, namespace), f"j{len(sim.server.entries) + 1 + how % 3:04}"]
    if how % 23 == 0:
        return ("never",)
    return tuple(sorted({names[-1 - how % min(len(names), 6)], names[-1 - how // 6 % min(len(names), 9)]}))


def submit_many(sim: Simulation, which: int, how: int) -> None:
    for extra in range(2 + how % 3):
        submit(sim, which, how * 31 + extra * 1009)


def edit(sim: Simulation, which: int, how: int) -> None:
    """A user changes a Job, waiting or not: what waits may move to another queue of its pool."""
    job = pick(_live(sim), which)
    if job is None:
        return
    value = how // 11
    older = [other.uid for other in _live(sim) if other.uid < job.uid and other.namespace == job.namespace]
    changes: tuple[dict[str, Any], ...] = (
        {"held": not job.held},
        {"priority": value % 4},
        {"project": ("red", "blue", job.namespace)[value % 3]},
        {"run_label": (None, "r", "s")[value % 3]} if job.state is JobState.WAITING else {},
        {"error": None if job.error else "metadata: wrong"} if value % 2 else {},
        {"queue": "abc"[value % 3]} if job.state is JobState.WAITING and job.queue in "abc" else {},
        {"request": REQUESTS[value % len(REQUESTS)]},
        {"deadline": DEADLINES[value % len(DEADLINES)]},
        {"share": (None, "red", "blue")[value % 3]},
        {"depends_on": depends_on(sim, job.namespace, value)} if job.state is JobState.WAITING else {},
        {"owner_uid": pick([*older, None], value)},
    )
    sim.server.update(job.uid, **changes[how % 11])


def end(sim: Simulation, which: int, how: int) -> None:
    """A Job ends as the Job controller sees fit."""
    active = [job for job in _live(sim) if job.state is not JobState.WAITING]
    job = pick(active, which)
    if job is not None:
        sim.server.finish(job.uid, sim.server.ending.get(job.uid) or RESULTS[how % len(RESULTS)])


def begin(sim: Simulation, which: int, how: int) -> None:
    """A Job that was let through starts a while later: until then its time does not run."""
    jobs = [job for job in _live(sim) if job.state is JobState.ACTIVE and not job.started_at]
    job = pick(jobs, which)
    if job is not None:
        sim.server.start(job.uid)


def reset(sim: Simulation, which: int, how: int) -> None:
    """It is written of a Job that was sent back that it runs no more."""
    uid = pick(sim.server.leftovers(), which)
    if uid is not None:
        sim.server.update(uid, started_at=0)


def end_cancelled(sim: Simulation, which: int, how: int) -> None:
    uid = pick(sorted(sim.server.ending), which)
    if uid is not None:
        sim.server.finish(uid, sim.server.ending[uid])


def cancel(sim: Simulation, which: int, how: int) -> None:
    """A user cancels a Job."""
    job = pick([job for job in _live(sim) if not job.canceling], which)
    if job is not None:
        sim.server.ending[job.uid] = "canceled"
        sim.server.update(job.uid, canceling=True)


def delete(sim: Simulation, which: int, how: int) -> None:
    """A live Job is deleted: at once, or after its pods are gone."""
    job = pick(_live(sim), which)
    if job is None:
        return
    if how % 2 and not job.canceling:
        sim.server.update(job.uid, canceling=True)
        sim.server.ending[job.uid] = "canceled"
    else:
        sim.server.delete(job.uid)


def bury(sim: Simulation, which: int, how: int) -> None:
    """A finished Job is deleted or changed, once the totals that contain it are written."""
    finished = [job for job in sim.server.jobs.values() if job.state is JobState.FINISHED]
    job = pick([job for job in finished if sim.server.is_counted(job.uid)], which)
    if job is None:
        return
    if how % 3:
        sim.server.delete(job.uid)
    elif sim.engine is not None:
        sim.server.update(job.uid, priority=how % 5)


def tick(sim: Simulation, which: int, how: int) -> None:
    sim.server.now += (0.125, 0.875, 1.0, 3.0, 70.0, 15.0, 3.0, 650.0)[how % 8]


def deliver_jobs(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("job", 1 + how % 12)


def deliver_queues(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("queue", 1 + how % 6)


def deliver_pools(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("pool", 1 + how % 2)


def deliver_others(sim: Simulation, which: int, how: int) -> None:
    sim.deliver(("environment", "policy", "environment")[which % 3], 1 + how % 3)


def decide(sim: Simulation, which: int, how: int) -> None:
    sim.decide((0, 1, 2, 3, 100, 100)[how % 6])


def land(sim: Simulation, which: int, how: int) -> None:
    sim.land(which, refuse=how % 9 == 0, clash=how % 9 == 1)


def answer(sim: Simulation, which: int, how: int) -> None:
    sim.answer(which, lose=how % 6 == 0)


def confirm(sim: Simulation, which: int, how: int) -> None:
    sim.confirm(which, fail=how % 7 == 0)


def flush(sim: Simulation, which: int, how: int) -> None:
    sim.flush(which % 5)


def crash(sim: Simulation, which: int, how: int) -> None:
    if how % 3 == 0:
        sim.crash()


def start(sim: Simulation, which: int, how: int) -> None:
    sim.start()


def relist(sim: Simulation, which: int, how: int) -> None:
    if how % 4 == 0:
        sim.relist()
    elif how % 4 == 1:
        sim.relist_queues()
    else:
        sim.bookmark()


def calm(sim: Simulation, which: int, how: int) -> None:
    """A good moment: all is told, decided, landed and answered."""
    for _ in range(3):
        for kind in KINDS:
            sim.deliver(kind, 10_000)
        sim.probe_all()
        if not sim.decide(100) and not sim.calls:
            return
        for _ in range(len(sim.calls)):
            sim.land(0)
            sim.answer(0)


def squeeze(sim: Simulation, which: int, how: int) -> None:
    """A queue is closed, and its status written, while decisions taken under an earlier spec are under way."""
    name = pick(sorted({call.write.job.queue for call in sim.calls} & set(sim.server.queues)), which)
    if name is None:
        return
    sim.deliver("queue", 10_000)
    spec = sim.server.queues[name].spec
    changes: tuple[dict[str, Any], ...] = (
        {"dispatch": spec.dispatch.model_copy(update={"paused": True})},
        {"action_concurrency": 1},
        {"clusters": ["p2"]},
    )
    sim.server.change_queue(name, **changes[how % 3])
    sim.deliver("queue", 1)
    sim.flush(0)
    sim.land(which)


def die_after_lowering(sim: Simulation, which: int, how: int) -> None:
    """A depth is lowered in a calm moment, that is written, and the operator dies."""
    name = pick(sorted(sim.server.queues), which)
    if name is not None:
        calm(sim, which, how)
        sim.server.change_queue(name, depth=1 + how % 2)
        calm(sim, which, how)
        sim.flush(0)
        sim.crash()


def settle(sim: Simulation, which: int, how: int) -> None:
    """A while passes in which nothing goes wrong: all is told and decided, and some of the Jobs end."""
    calm(sim, which, how)
    for extra in range(how % 3):
        tick(sim, which, how // 3 + extra)
        end(sim, which // 5 + extra, how // 7)
        calm(sim, which, how)


def rest(sim: Simulation, which: int, how: int) -> None:
    if how % 5 == 0:
        sim.rest()


def _live(sim: Simulation) -> list[Job]:
    return [job for job in sim.server.jobs.values() if job.state is not JobState.FINISHED]


ACTIONS: dict[Callable[[Simulation, int, int], None], int] = {
    create_queue: 3,
    change_queue: 4,
    delete_queue: 1,
    change_pool: 1,
    change_environment: 3,
    change_policy: 1,
    machines: 2,
    probe: 2,
    lose_cluster: 1,
    return_clusters: 1,
    submit: 5,
    submit_many: 3,
    edit: 4,
    end: 5,
    begin: 2,
    reset: 1,
    end_cancelled: 2,
    cancel: 1,
    delete: 1,
    bury: 2,
    tick: 3,
    deliver_jobs: 8,
    deliver_queues: 6,
    deliver_pools: 2,
    deliver_others: 4,
    decide: 9,
    land: 8,
    answer: 8,
    confirm: 3,
    flush: 4,
    crash: 1,
    start: 3,
    relist: 2,
    calm: 3,
    settle: 2,
    die_after_lowering: 1,
    squeeze: 2,
    rest: 1,
}
"""Everything that may happen, and how often compared with the rest."""

CONTENTION: dict[Callable[[Simulation, int, int], None], int] = {
    change_queue: 1,
    change_environment: 1,
    change_policy: 1,
    machines: 2,
    probe: 1,
    lose_cluster: 1,
    return_clusters: 1,
    submit: 6,
    submit_many: 6,
    edit: 2,
    end: 3,
    begin: 2,
    reset: 1,
    cancel: 1,
    delete: 1,
    tick: 2,
    settle: 12,
    decide: 2,
    flush: 1,
    crash: 1,
    start: 2,
    land: 1,
    answer: 1,
    deliver_jobs: 1,
}
"""The same for histories in which little goes wrong, and many Jobs want the same room."""

LOSSES: dict[Callable[[Simulation, int, int], None], int] = {
    change_queue: 2,
    change_pool: 1,
    change_environment: 1,
    submit: 5,
    submit_many: 4,
    edit: 3,
    end: 3,
    begin: 2,
    reset: 4,
    end_cancelled: 1,
    cancel: 1,
    delete: 1,
    bury: 2,
    tick: 2,
    deliver_jobs: 5,
    deliver_queues: 2,
    deliver_pools: 3,
    deliver_others: 1,
    probe: 5,
    hold_cluster: 1,
    lose_cluster: 6,
    return_clusters: 4,
    decide: 8,
    land: 6,
    answer: 6,
    confirm: 1,
    flush: 3,
    crash: 1,
    start: 2,
    relist: 1,
    calm: 6,
}
"""The same for histories in which clusters are lost and return, and writes about that go all ways."""
