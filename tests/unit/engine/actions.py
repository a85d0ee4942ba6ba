"""What may happen in a random history: each action takes two plain numbers and does one thing, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from headgate.engine.job import RESULTS, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.engine.simulation import Simulation

    from headgate.engine.job import Job

T = TypeVar("T")

QUEUES = {"a": "p", "b": "p", "c": "p", "d": "q"}
"""Names of queues, and the pool that each is in whenever it exists."""
STATES = {
    "Active": ("Active", "Drained", "Sealed", "Terminated"),
    "Drained": ("Active", "Drained", "Sealed", "Terminated"),
    "Sealed": ("Sealed", "Terminated"),
    "Terminated": ("Terminated",),
}
MODES = ("FIFO", "LIFO", "PRIORITY")


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
        run_concurrency=(0, 1, 2)[how % 3],
        action_concurrency=(0, 1, 2, 3)[how // 3 % 4],
        depth=(0, 2, 3, 10_000)[how // 12 % 4],
        fairness=("RoundRobin", "RoundRobin", "ShuffleInterleave")[how // 48 % 3],
        execution_mode=MODES[how // 144 % 3],
    )


def change_queue(sim: Simulation, which: int, how: int) -> None:
    name = pick(sorted(sim.server.queues), which)
    if name is None:
        return
    spec = sim.server.queues[name].spec
    value = how // 8
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
        {"clusters": (["*"], ["p1"], ["p2", "p1"], ["q1"], ["nowhere"])[value % 5]},
    )
    sim.server.change_queue(name, **changes[how % 8])


def delete_queue(sim: Simulation, which: int, how: int) -> None:
    name = pick(sorted(sim.server.queues), which)
    if name is not None:
        sim.server.delete_queue(name)


def change_pool(sim: Simulation, which: int, how: int) -> None:
    name = "pppq"[which % 4]
    if how % 8 == 0:
        sim.server.delete_pool(name)
    elif name == "p":
        sim.server.put_pool(
            "p", ("p1 p2", "p1 p2", "p2", "p1")[how // 8 % 4], ("", "p1", "", "p1 p2")[how % 4]
        )
    else:
        sim.server.put_pool("q", "q1", ("", "", "q1")[how % 3])


def probe(sim: Simulation, which: int, how: int) -> None:
    pool, cluster = (("p", "p1"), ("p", "p2"), ("q", "q1"))[which % 3]
    sim.probe(pool, cluster, healthy=how % 3 > 0)


def submit(sim: Simulation, which: int, how: int) -> None:
    queue = list(QUEUES)[(0, 0, 0, 1, 1, 2, 3)[which % 7]]
    namespace = "xy"[how % 2]
    owners = [
        job.uid for job in sim.server.jobs.values() if job.owner_uid is None and job.namespace == namespace
    ]
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
    )


def submit_many(sim: Simulation, which: int, how: int) -> None:
    for extra in range(2 + how % 3):
        submit(sim, which, how * 31 + extra * 1009)


def edit(sim: Simulation, which: int, how: int) -> None:
    """A user changes a Job, waiting or not: what waits may move to another queue of its pool."""
    job = pick(_live(sim), which)
    if job is None:
        return
    value = how // 6
    changes: tuple[dict[str, Any], ...] = (
        {"held": not job.held},
        {"priority": value % 4},
        {"project": ("red", "blue", job.namespace)[value % 3]},
        {"run_label": (None, "r", "s")[value % 3]} if job.state is JobState.WAITING else {},
        {"error": None if job.error else "metadata: wrong"} if value % 2 else {},
        {"queue": "abc"[value % 3]} if job.state is JobState.WAITING and job.queue in "abc" else {},
    )
    sim.server.update(job.uid, **changes[how % 6])


def end(sim: Simulation, which: int, how: int) -> None:
    """A Job ends as the Job controller sees fit."""
    active = [job for job in _live(sim) if job.state is not JobState.WAITING]
    job = pick(active, which)
    if job is not None:
        sim.server.finish(job.uid, sim.server.ending.get(job.uid) or RESULTS[how % len(RESULTS)])


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
    sim.server.now += (0.1, 0.9, 1.0, 3.0, 70.0)[how % 5]


def deliver_jobs(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("job", 1 + how % 12)


def deliver_queues(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("queue", 1 + how % 6)


def deliver_pools(sim: Simulation, which: int, how: int) -> None:
    sim.deliver("pool", 1 + how % 2)


def decide(sim: Simulation, which: int, how: int) -> None:
    sim.decide((0, 1, 2, 3, 100, 100)[how % 6])


def land(sim: Simulation, which: int, how: int) -> None:
    sim.land(which, refuse=how % 9 == 0)


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
        sim.deliver("pool", 10_000)
        sim.deliver("queue", 10_000)
        sim.deliver("job", 10_000)
        sim.decide(100)
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
    probe: 1,
    submit: 5,
    submit_many: 3,
    edit: 4,
    end: 5,
    end_cancelled: 2,
    cancel: 1,
    delete: 1,
    bury: 2,
    tick: 3,
    deliver_jobs: 8,
    deliver_queues: 6,
    deliver_pools: 2,
    decide: 9,
    land: 8,
    answer: 8,
    confirm: 3,
    flush: 4,
    crash: 1,
    start: 3,
    relist: 2,
    calm: 2,
    die_after_lowering: 1,
    squeeze: 2,
    rest: 1,
}
"""Everything that may happen, and how often compared with the rest."""
