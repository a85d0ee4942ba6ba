"""`python -m bench`: measure, print a table, keep the result; the last line is a JSON object of the figures."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path  # noqa: TC003  (typer reads it)
from statistics import median
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console

from bench import engine, lists, machine, members, memory, report, resources, throughput
from bench.cluster import Cluster, cluster

PARTS: Final = ("engine", "lists", "backlog", "open", "rss", "members", "resources")


def main(
    only: Annotated[str, typer.Option(help=f"Parts to run, with commas: {', '.join(PARTS)}.")] = "",
    rounds: Annotated[int, typer.Option(help="Runs of each side, in turn; medians count.", min=1)] = 3,
    jobs: Annotated[int, typer.Option(help="Jobs in a run.", min=10)] = 1_000,
    engine_jobs: Annotated[
        int, typer.Option(help="Waiting Jobs for the engine alone; growth is from a hundredth.", min=500)
    ] = 100_000,
    rss_jobs: Annotated[int, typer.Option(help="Waiting Jobs for the memory figure.", min=100)] = 100_000,
    list_jobs: Annotated[int, typer.Option(help="Jobs that are listed.", min=100)] = 50_000,
    member_jobs: Annotated[int, typer.Option(help="Jobs in a run over members.", min=10)] = 300,
    member_rounds: Annotated[
        int, typer.Option(help="Pairs of runs over members: they vary more than others.", min=1)
    ] = 9,
    profile: Annotated[
        Path | None, typer.Option(help="Profile the operator into files named like this; figures suffer.")
    ] = None,
    *,
    quick: Annotated[
        bool, typer.Option(help="Small sizes, one round: to see that it works. Not kept.")
    ] = False,
) -> None:
    """Measure what Headgate costs, beside a loop that does nothing but PATCH."""
    parts = [part for part in (only.split(",") if only else PARTS) if part]
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if quick:
        rounds, jobs, rss_jobs, member_jobs = 1, min(jobs, 100), min(rss_jobs, 5_000), min(member_jobs, 30)
        list_jobs, member_rounds = min(list_jobs, 1_000), 1
    # Into a file or a pipe, lines are as long as they need to be.
    console = Console(width=None if sys.stdout.isatty() else 150)
    if "resources" in parts and (lacking := resources.lacking()):
        if only:
            raise typer.BadParameter(" ".join(lacking))
        console.log(f"not measured here: resources. {' '.join(lacking)}")
        parts.remove("resources")
    figures: dict[str, float] = {}
    details: dict[str, Any] = {}
    result = {
        "machine": machine.describe(),
        "settings": {
            "parts": parts,
            "rounds": rounds,
            "jobs": jobs,
            "engine_jobs": engine_jobs,
            "rss_jobs": rss_jobs,
            "list_jobs": list_jobs,
            "member_jobs": member_jobs,
            "member_rounds": member_rounds,
            "profiled": bool(profile),
        },
        "figures": figures,
        "details": details,
    }
    with ExitStack() as stack:
        if "engine" in parts:
            console.log("the engine alone")
            _engine(figures, details, waiting=engine_jobs, decisions=640 if quick else 6_400)
        if "lists" in parts:
            console.log("lists of Jobs, on a control plane of their own")
            with cluster(nodes=1) as own:
                listed = lists.measure(own, list_jobs, rounds, console.log)
            figures.update(listed.figures(list_jobs))
            details["lists"] = listed
        if "resources" in parts:
            _resources(jobs, figures, details, console)
        if set(parts) - {"engine", "lists", "resources"}:
            console.log("starting a control plane")
            running = stack.enter_context(cluster())
            bench = throughput.Bench(running, jobs, 1.0, console.log, profile and profile.absolute())
            for kind in ("backlog", "open"):
                if kind in parts:
                    _throughput(kind, bench, rounds, figures, details)
            if "rss" in parts:
                console.log(f"memory with {rss_jobs} waiting Jobs")
                _memory(running, rss_jobs, figures, details)
            if "members" in parts:
                console.log("dispatch to members")
                pairs = members.measure(running, member_jobs, member_rounds, console.log, bench.profile)
                ratios = {key: members.ratio(of) for key, of in pairs.items()}
                for key, ratio in ratios.items():
                    console.log(f"{key}: {ratio}")
                    figures[key] = ratio.median
                details["members"] = {key: {"ratio": ratios[key], "pairs": of} for key, of in pairs.items()}
    figures = {key: figures[key] for key in (target.key for target in report.TARGETS) if key in figures}
    report.show(figures, console)
    if not quick and not profile:
        console.print(f"kept in {report.keep(result)}")
    print(orjson.dumps(figures).decode(), flush=True)


def _engine(figures: dict[str, float], details: dict[str, Any], *, waiting: int, decisions: int) -> None:
    shapes = [engine.Shape(waiting // 100, 10, 10), engine.Shape(waiting, 10, 10)]
    small, large = engine.measure(shapes, decisions=decisions, rounds=7)
    (wide,) = engine.measure([engine.Shape(waiting, 100, 50)], decisions=decisions, rounds=7)
    figures["decision_growth"] = round(large.decision / small.decision, 2)
    of_kinds = {kind: _growth(kind, figures, waiting, decisions // 4) for kind in engine.GROWTHS}
    figures["decisions_per_second"] = round(1 / wide.decision)
    details["engine"] = {
        "decision_us": {
            str(shape.waiting): round(cost.decision * 1e6, 2)
            for shape, cost in zip(shapes, (small, large), strict=True)
        },
        "wide_decision_us": round(wide.decision * 1e6, 2),
        "wide_facts_of_a_job_us": round(wide.facts * 1e6, 2),
        "wide_whole_lives_per_second": round(1 / (wide.decision + wide.facts)),
        "decision_us_of": of_kinds,
    }


def _growth(kind: engine.Kind, figures: dict[str, float], waiting: int, decisions: int) -> dict[str, float]:
    """Measure what a decision costs where this is in use; return it in microseconds by what waits, or runs beside."""
    shapes = engine.growth(kind, waiting)
    small, large = engine.measure(shapes, decisions=decisions, rounds=5)
    figures[engine.GROWTHS[kind]] = round(large.decision / small.decision, 2)
    return {
        str(shape.beside or shape.waiting): round(cost.decision * 1e6, 2)
        for shape, cost in zip(shapes, (small, large), strict=True)
    }


def _throughput(
    kind: str, bench: throughput.Bench, rounds: int, figures: dict[str, float], details: dict[str, Any]
) -> None:
    runs = bench.measure(kind, rounds)
    bare, ours = (throughput.seconds_of(runs, who) for who in (throughput.BARE, throughput.HEADGATE))
    figures[f"{kind}_ratio"] = round(bare / ours, 3)
    costly = [run for run in runs if run.who == throughput.HEADGATE]
    if kind == "open" or "cpu_ms_per_job" not in figures:
        figures["cpu_ms_per_job"] = round(median(run.cpu_seconds for run in costly) / bench.jobs * 1e3, 2)
        figures["writes_per_job"] = round(median(sum(run.writes.values()) for run in costly) / bench.jobs, 3)
    details[kind] = {
        "bare_per_second": round(bench.jobs / bare, 1),
        "headgate_per_second": round(bench.jobs / ours, 1),
        "runs": runs,
    }


def _memory(running: Cluster, jobs: int, figures: dict[str, float], details: dict[str, Any]) -> None:
    used = memory.measure(running, jobs)
    figures["rss_mb_100k"] = round(used.resident, 1)
    details["rss"] = used


def _resources(jobs: int, figures: dict[str, float], details: dict[str, Any], console: Console) -> None:
    console.log("the operator in its Pods, on a real node")
    used = resources.measure(jobs, console.log)
    figures["pod_memory_mb"] = max(
        usage.memory_mb for pod in (used.leader, used.standby) for usage in pod.values()
    )
    figures["pod_cores"] = used.leader[resources.AT_WORK].cores
    details["resources"] = used


if __name__ == "__main__":
    typer.run(main)
