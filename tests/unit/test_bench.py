"""The part of the benchmark that needs no API server still runs, and its figures mean something."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest
import yaml
from bench import ROOT
from bench.engine import GROWTHS, Kind, Shape, World, measure
from bench.ratios import Ratio, interval
from bench.report import TARGETS
from bench.resources import Sample, busiest_second, cores

from headgate.api.quantity import UNIT, parse_amounts


def test_the_engine_is_measured_at_a_steady_number_of_waiting_jobs() -> None:
    world = World(Shape(waiting=60, queues=3, projects=2))

    cost = world.run(64)

    assert sum(queue.waiting for queue in world.engine.queues.values()) == 60
    assert sum(queue.active for queue in world.engine.queues.values()) == 0
    assert cost.decision > 0
    assert cost.facts > 0


@pytest.mark.parametrize("kind", GROWTHS)
def test_each_kind_is_measured_with_what_it_is_about(kind: Kind) -> None:
    beside = 40 if kind == "wide backfill" else 0
    world = World(Shape(waiting=300, queues=3, projects=2, kind=kind, beside=beside))

    world.run(320)

    queues = world.engine.queues.values()
    assert sum(queue.active for queue in queues) in ({beside} if beside else {0, 1})
    assert all(queue.has_environments is (kind != "fair share") for queue in queues)
    assert any(queue.shares is not None for queue in queues) is (kind == "fair share")
    backfills = any(queue.head is not None and queue.head.backfills for queue in queues)
    assert backfills is (kind in ("backfill", "wide backfill"))


def test_each_shape_has_a_cost() -> None:
    assert len(measure([Shape(40, 2, 2), Shape(80, 2, 2)], decisions=32, rounds=1)) == 2


def test_the_last_line_is_a_json_object_of_known_figures() -> None:
    command = [sys.executable, "-m", "bench", "--only", "engine", "--quick", "--engine-jobs", "500"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    figures = orjson.loads(done.stdout.splitlines()[-1])
    assert set(figures) == {"decision_growth", "decisions_per_second", *GROWTHS.values()}
    assert set(figures) <= {target.key for target in TARGETS}


def test_every_figure_is_explained() -> None:
    text = (ROOT / "bench" / "README.md").read_text()

    assert [target.key for target in TARGETS if f"| `{target.key}` |" not in text] == []


def test_the_chart_requests_what_the_operator_may_use() -> None:
    values = yaml.safe_load((ROOT / "charts" / "headgate" / "values.yaml").read_text())
    requests = dict(parse_amounts(values["resources"]["requests"]))
    targets = {target.key: target.value for target in TARGETS}

    assert requests["cpu"] >= targets["pod_cores"] * UNIT
    assert requests["memory"] >= targets["pod_memory_mb"] * 10**6 * UNIT


def test_the_busiest_second_is_one_of_a_second() -> None:
    """A peak between two samples that are closer than that is not taken for a second's."""
    samples = [Sample(at / 4, used, 60.0) for at, used in enumerate([0.0, 0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])]

    assert busiest_second(samples) == pytest.approx(0.2)
    assert cores(samples[0], samples[-1]) == pytest.approx(0.2 / 1.75)


@pytest.mark.parametrize(
    ("count", "left_out", "confidence"),
    [(1, 0, 0.0), (3, 0, 0.75), (6, 0, 0.969), (9, 1, 0.961), (20, 5, 0.959)],
)
def test_an_interval_is_as_wide_as_so_many_values_make_it(
    count: int, left_out: int, confidence: float
) -> None:
    found, sure = interval(count)
    assert found == left_out
    assert sure == pytest.approx(confidence, abs=0.001)


def test_what_pairs_amount_to() -> None:
    ratio = Ratio.of([1.1, 0.9, 1.0, 0.8, 1.2, 0.95, 1.05, 0.7, 1.4])

    assert (ratio.median, ratio.low, ratio.high, ratio.least, ratio.most) == (1.0, 0.8, 1.2, 0.7, 1.4)
    assert str(ratio) == "1.0; with 96% confidence from 0.8 to 1.2, by 9 pairs from 0.7 to 1.4"
