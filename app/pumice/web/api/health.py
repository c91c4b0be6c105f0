"""`/healthz` (this process lives), `/readyz` (the store answers), `/metrics` (Prometheus)."""

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from pumice.errors import StoreAway
from pumice.web.http.front import Front
from pumice.web.http.responses import json_response

QUEUED = text("""
select agent_id, kind, count(*) as waiting, coalesce(extract(epoch from now() - min(available_at)), 0) as oldest
from interactions where status = 'queued' and available_at <= now() group by agent_id, kind
""")
DEAD = text("select agent_id, count(*) as dead from interactions where status = 'dead' group by agent_id")
WORKERS = text("select count(*) from workers where seen_at > now() - interval '10 seconds'")


def health_blueprint(front: Front) -> Blueprint:
    """The health routes."""
    blueprint = Blueprint("health", __name__)
    registry = CollectorRegistry()
    registry.register(_StoreCollector(front.engine))

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        try:
            with front.engine.connect() as connection:
                connection.execute(text("select id from sessions limit 0"))
        except SQLAlchemyError as error:
            message = "Postgres can't be reached or is not migrated."
            raise StoreAway(message, retry_after=2) from error
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
        with self._engine.connect() as connection:
            for row in connection.execute(QUEUED):
                waiting.add_metric([row.agent_id, row.kind], row.waiting)
                oldest.add_metric([row.agent_id, row.kind], float(row.oldest))
            for row in connection.execute(DEAD):
                dead.add_metric([row.agent_id], row.dead)
            workers.add_metric([], connection.execute(WORKERS).scalar_one())
        yield from (waiting, oldest, dead, workers)
