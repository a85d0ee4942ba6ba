"""Prometheus metrics.

What can be read from the engine is read when somebody scrapes, so that it costs the hot path nothing. Labels are
bounded by the number of queues, environments, clusters and shares in a queue; nothing is labelled by Job or user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from headgate.api.quantity import UNIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from headgate.engine.engine import Engine

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
_DECISIONS: Final = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)
_PROBES: Final = (0.01, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """The metrics of one operator process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.leader = Gauge("headgate_leader", "1 while this replica leads.", registry=self.registry)
        self.decision_seconds = Histogram(
            "headgate_decision_seconds",
            "Time the engine took for one decision.",
            buckets=_DECISIONS,
            registry=self.registry,
        )
        self.status_writes = Counter(
            "headgate_status_writes", "Statuses written, by kind.", ["kind"], registry=self.registry
        )
        self.unreadable = Counter(
            "headgate_unreadable_objects",
            "Objects that could not be read and were left out.",
            registry=self.registry,
        )
        self.events_dropped = Counter(
            "headgate_events_dropped",
            "Events not written because too many were waiting.",
            registry=self.registry,
        )
        self._admitted = Counter(
            "headgate_admitted", "Jobs admitted, by queue.", ["queue"], registry=self.registry
        )
        self._latency = Histogram(
            "headgate_admission_latency_seconds",
            "Time from a Job's creation to its admission, by queue.",
            ["queue"],
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self._scaled = Counter(
            "headgate_scaled",
            "Times that what an environment scales was scaled, by environment.",
            ["environment"],
            registry=self.registry,
        )
        self._probe_seconds = Histogram(
            "headgate_cluster_probe_seconds",
            "Time a remote cluster took to say that it is well, by pool and cluster.",
            ["pool", "cluster"],
            buckets=_PROBES,
            registry=self.registry,
        )
        self._copies_created = Counter(
            "headgate_copies_created", "Copies of Jobs made, by cluster.", ["cluster"], registry=self.registry
        )
        self._copies_deleted = Counter(
            "headgate_copies_deleted",
            "Copies of Jobs deleted, by cluster.",
            ["cluster"],
            registry=self.registry,
        )
        self._mirrored = Counter(
            "headgate_mirrored_statuses",
            "Times that what a copy says was written into its Job's status, by cluster.",
            ["cluster"],
            registry=self.registry,
        )
        self._copy_errors = Counter(
            "headgate_copy_errors",
            "What did not work for a copy and is tried again, by cluster and action; no cluster: in the hub.",
            ["cluster", "action"],
            registry=self.registry,
        )
        self._api_errors = Counter(
            "headgate_api_errors",
            "Requests to the API server that failed, by what was asked and the HTTP status; 0: no answer.",
            ["verb", "status"],
            registry=self.registry,
        )

    def watch(self, engine: Engine, clock: Callable[[], float]) -> None:
        """Report on an engine from now on; `clock` is in seconds since the epoch."""
        self.registry.register(_EngineCollector(engine, clock))

    def admitted(self, queue: str, latency: float) -> None:
        """Count an admission; `latency` in seconds since the Job's creation."""
        self._admitted.labels(queue).inc()
        self._latency.labels(queue).observe(latency)

    def scaled(self, environment: str) -> None:
        """Count a change of what an environment scales."""
        self._scaled.labels(environment).inc()

    def cluster_probed(self, pool: str, cluster: str, seconds: float) -> None:
        """Count an answer of a remote cluster, and the time it took."""
        self._probe_seconds.labels(pool, cluster).observe(seconds)

    def forget(self, queue: str) -> None:
        """Drop the series of a queue that was deleted."""
        for metric in (self._admitted, self._latency):
            metric.remove_by_labels({"queue": queue})

    def forget_environment(self, environment: str) -> None:
        """Drop the series of a compute environment that was deleted."""
        self._scaled.remove_by_labels({"environment": environment})

    def forget_cluster(self, pool: str, cluster: str) -> None:
        """Drop the series of a cluster that has left its pool."""
        self._probe_seconds.remove_by_labels({"pool": pool, "cluster": cluster})

    def copy_created(self, cluster: str) -> None:
        """Count a copy that was made."""
        self._copies_created.labels(cluster).inc()

    def copy_deleted(self, cluster: str) -> None:
        """Count a copy that was deleted."""
        self._copies_deleted.labels(cluster).inc()

    def mirrored(self, cluster: str) -> None:
        """Count a status that was taken over from a copy."""
        self._mirrored.labels(cluster).inc()

    def copy_error(self, cluster: str, action: str) -> None:
        """Count something that did not work for a copy."""
        self._copy_errors.labels(cluster, action).inc()

    def forget_copies(self, cluster: str) -> None:
        """Drop the series of a cluster that is in no pool any more."""
        for metric in (self._copies_created, self._copies_deleted, self._mirrored, self._copy_errors):
            metric.remove_by_labels({"cluster": cluster})

    def api_error(self, verb: str, error: Exception) -> None:
        """Count a request that failed."""
        self._api_errors.labels(verb, str(getattr(error, "status", 0))).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        yield from self._of_queues()
        yield from self._of_environments()
        yield self._of_clusters()

    def _of_queues(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("headgate_waiting", "Jobs that wait, by queue.", labels=["queue"])
        active = GaugeMetricFamily("headgate_active", "Active Jobs, by queue.", labels=["queue"])
        runs = GaugeMetricFamily("headgate_active_runs", "Active runs, by queue.", labels=["queue"])
        finished = CounterMetricFamily(
            "headgate_finished", "Jobs that finished, by queue and result.", labels=["queue", "result"]
        )
        head = GaugeMetricFamily(
            "headgate_head_waiting_seconds",
            "For how long the Job at the head has not fitted, by queue and reason.",
            labels=["queue", "reason"],
        )
        usage = GaugeMetricFamily(
            "headgate_share_usage",
            "What a share uses and has used, in weighted cores, by queue and share.",
            labels=["queue", "share"],
        )
        now = self._clock()
        for name, queue in list(self._engine.queues.items()):
            if queue.resource is None:
                # Any name a user writes on a Job: not a bounded set.
                continue
            waiting.add_metric([name], queue.waiting)
            active.add_metric([name], queue.active)
            runs.add_metric([name], queue.active_runs)
            for result, count in queue.tally.by_result.items():
                finished.add_metric([name, result], count)
            if queue.head is not None:
                head.add_metric([name, queue.head.reason], max(now - queue.head.since, 0.0))
            if queue.shares is not None:
                for share in queue.shares.notable():
                    usage.add_metric([name, share.identifier], queue.shares.usage(share.identifier))
        yield from (waiting, active, runs, finished, head, usage)

    def _of_environments(self) -> Iterator[Metric]:
        active = GaugeMetricFamily(
            "headgate_environment_active", "Active Jobs, by environment.", labels=["environment"]
        )
        requested = GaugeMetricFamily(
            "headgate_environment_requested",
            "What active Jobs request, by environment and resource, in cores, bytes or pieces.",
            labels=["environment", "resource"],
        )
        capacity = GaugeMetricFamily(
            "headgate_environment_capacity",
            "What they may request now, by environment and resource; a resource that is not limited is left out.",
            labels=["environment", "resource"],
        )
        replicas = GaugeMetricFamily(
            "headgate_environment_replicas",
            "Instances of an environment that scales: wanted, asked for and there.",
            labels=["environment", "count"],
        )
        for name, environment in list(self._engine.environments.items()):
            if environment.resource is None:
                continue
            active.add_metric([name], environment.active)
            limit = environment.limit
            used = dict.fromkeys(limit, 0) | environment.used
            for resource, amount in used.items():
                requested.add_metric([name, resource], amount / UNIT)
            for resource, amount in limit.items():
                capacity.add_metric([name, resource], amount / UNIT)
            if environment.target is not None and environment.reading is not None:
                wanted = environment.wanted
                replicas.add_metric(
                    [name, "wanted"], environment.reading.replicas if wanted is None else wanted
                )
                replicas.add_metric([name, "asked"], environment.reading.replicas)
                replicas.add_metric([name, "there"], environment.reading.ready)
        yield from (active, requested, capacity, replicas)

    def _of_clusters(self) -> Metric:
        up = GaugeMetricFamily(
            "headgate_cluster_up",
            "1 while a cluster answers, by pool and cluster.",
            labels=["pool", "cluster"],
        )
        for pool in list(self._engine.pools.values()):
            for cluster in (pool.clusters or {}).values():
                up.add_metric([pool.name, cluster.name], cluster.state == "Running")
        return up
