"""`/healthz` (this process lives), `/readyz` (the store answers), `/metrics` (Prometheus)."""

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pumice.errors import CannotDeliver, StoreAway
from pumice.sessions.metrics import check_ready, measure
from pumice.web.api.delivery_metrics import DeliveryCollector
from pumice.web.http.front import Front
from pumice.web.http.responses import json_response


def health_blueprint(front: Front) -> Blueprint:
    """The health routes."""
    blueprint = Blueprint("health", __name__)
    registry = CollectorRegistry()
    registry.register(_StoreCollector(front.engine))
    registry.register(DeliveryCollector(front))

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        try:
            check_ready(front.engine)
        except SQLAlchemyError as error:
            message = "Postgres can't be reached or is not migrated."
            raise StoreAway(message, retry_after=2) from error
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
