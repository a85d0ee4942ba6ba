"""Targets, and how a result is shown and kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from rich.table import Table

from bench import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

RESULTS: Final = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Target:
    """One figure, and what it should be."""

    key: str
    meaning: str
    bound: Literal[">=", "<="]
    value: float

    def holds(self, figure: float) -> bool:
        """Whether a figure meets it."""
        return figure >= self.value if self.bound == ">=" else figure <= self.value

    def missed_by(self, figure: float) -> str:
        """Say by how much a figure misses it."""
        return "" if self.holds(figure) else f"{abs(figure - self.value) / self.value:.1%}"


TARGETS: Final = (
    Target("backlog_ratio", "a released backlog: admissions/s over bare PATCHes/s", ">=", 0.85),
    Target(
        "open_ratio", "Jobs as they come: time of a bare watch-and-PATCH loop over Headgate's", ">=", 0.85
    ),
    Target("cpu_ms_per_job", "operator's CPU for a Job, from creation to finished (ms)", "<=", 2.5),
    Target("writes_per_job", "operator's API writes for a Job, statuses and Lease included", "<=", 1.2),
    Target("decision_growth", "time for a decision at 100,000 waiting over 1,000 waiting", "<=", 1.5),
    Target("environments_growth", "the same with a full compute environment", "<=", 1.5),
    Target("fair_share_growth", "the same with a scheduling policy", "<=", 1.5),
    Target("backfill_growth", "the same where everything passes a head that does not fit", "<=", 1.5),
    Target("backfill_wide_growth", "in 50 such queues, beside 5,000 active Jobs over beside 50", "<=", 1.5),
    Target("decisions_per_second", "engine alone, 100,000 waiting, 100 queues, 50 projects", ">=", 30_000),
    Target("members_ratio", "dispatch to three members over that to one, copies/s", ">=", 0.9),
    Target("dead_member_ratio", "dispatch to two members beside a dead one over the two alone", ">=", 0.9),
    Target("hung_member_ratio", "the same beside one that takes connections and answers nothing", ">=", 0.9),
    Target(
        "list_memory_growth", "peak memory of job list -o json: 50,000 Jobs over a page of 500", "<=", 1.2
    ),
    Target("list_memory_ratio", "the same over that of kubectl get jobs -o json, 50,000 Jobs", "<=", 0.5),
    Target("list_cpu_ratio", "its CPU over that of kubectl get jobs -o json, 50,000 Jobs", "<=", 1.5),
    Target("why_cpu_seconds", "CPU of job why with 50,000 Jobs in its queue (s)", "<=", 30),
    Target("rss_mb_100k", "operator's resident memory with 100,000 waiting (MB)", "<=", 300),
    Target("pod_memory_mb", "the most memory of an operator's Pod under 1,000 Jobs (MB)", "<=", 100),
    Target("pod_cores", "the leader's CPU while 1,000 Jobs come and go (cores)", "<=", 0.1),
)


def show(figures: dict[str, float], console: Console) -> None:
    """Print a table of the figures that were measured."""
    table = Table(title="Headgate benchmark")
    for column in ("figure", "what", "target", "measured", ""):
        table.add_column(column, justify="right" if column in ("target", "measured") else "left")
    for target in TARGETS:
        if target.key not in figures:
            continue
        figure = figures[target.key]
        verdict = "[green]ok[/]" if target.holds(figure) else f"[red]missed by {target.missed_by(figure)}[/]"
        table.add_row(
            target.key, target.meaning, f"{target.bound} {target.value:,g}", f"{figure:,g}", verdict
        )
    console.print(table)


def keep(result: dict[str, Any], directory: Path = RESULTS) -> Path:
    """Write a result into a file of its own and return where."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json"
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    return path
