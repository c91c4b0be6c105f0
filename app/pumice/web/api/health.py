"""`/healthz` (this process lives), `/readyz` (the store takes writes), `/metrics` (Prometheus)."""

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Engine

from pumice.errors import CannotDeliver, StoreAway, StoreAwayError
from pumice.sessions.metrics import Measures, measure
from pumice.sessions.readiness import WriteCheck
from pumice.web.api.delivery_metrics import DeliveryCollector
from pumice.web.api.hook_metrics import hook_metrics
from pumice.web.http.front import Front
from pumice.web.http.responses import json_response

COUNTED = {
    "threads_lost": "Threads of workers that were given up with a handler that never returned",
    "loop_blocked": "Times that an async handler blocked its worker's event loop for more than a second",
    "workers_anew": "Times that a worker started anew because too many threads, or its event loop, were lost",
}
"""Counters in Postgres and what they count."""


def health_blueprint(front: Front) -> Blueprint:
    """The health routes."""
    blueprint = Blueprint("health", __name__)
    registry = CollectorRegistry()
    registry.register(_StoreCollector(front.engine))
    registry.register(DeliveryCollector(front))
    store = WriteCheck(front.settings)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        try:
            store.demand()
        except StoreAwayError as error:
            raise StoreAway(str(error), retry_after=2) from None
        front.store_away.ends()
        if stuck := front.watchdog.stuck:
            raise CannotDeliver("; ".join(f"{name}: {why}" for name, why in stuck.items()), retry_after=2)
        redis = "live" if front.subscriber.live else "away"
        return json_response({"status": "ready", "postgres": "live", "redis": redis, "agents": list(front.registry)})

    @blueprint.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), mimetype="text/plain")

    return blueprint


class _StoreCollector:
    """Metrics read from Postgres when they are asked for, so that every front gives the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Nothing yet: the store is not asked at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        waiting = GaugeMetricFamily("pumice_interactions_queued", "Interactions that wait", labels=["agent", "kind"])
        oldest = GaugeMetricFamily("pumice_queue_age_seconds", "Age of the oldest of them", labels=["agent", "kind"])
        dead = GaugeMetricFamily("pumice_interactions_dead", "Interactions given up", labels=["agent"])
        workers = GaugeMetricFamily("pumice_workers", "Worker processes seen in the last 10 s")
        found = measure(self._engine)
        for queue in found.queues:
            waiting.add_metric([queue.agent_id, queue.kind], queue.waiting)
            oldest.add_metric([queue.agent_id, queue.kind], queue.oldest)
        for agent_id, count in found.dead.items():
            dead.add_metric([agent_id], count)
        workers.add_metric([], found.workers)
        yield from (waiting, oldest, dead, workers)
        for name, what in COUNTED.items():
            yield CounterMetricFamily(f"pumice_{name}", what, value=found.counters.get(name, 0))
        yield from hook_metrics(found.hooks)
        yield from _outgoing(found)


def _outgoing(found: Measures) -> Iterator[Metric]:
    """How deliveries of outgoing events went, and how many wait."""
    total = CounterMetricFamily("pumice_outgoing", "Attempts to deliver outgoing events", labels=["agent", "outcome"])
    pending = GaugeMetricFamily("pumice_outgoing_pending", "Deliveries of outgoing events that wait", labels=["agent"])
    for name, value in found.counters.items():
        kind, _, rest = name.partition(" ")
        if kind == "outgoing":
            total.add_metric(rest.split(" "), value)
    for agent_id, count in found.outgoing.items():
        pending.add_metric([agent_id], count)
    yield from (total, pending)
