"""What is measured in Postgres: queues, the dead, and workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, text

QUEUED = text("""
select agent_id, kind, count(*) as waiting, coalesce(extract(epoch from now() - min(available_at)), 0) as oldest
from interactions where status = 'queued' and available_at <= now() group by agent_id, kind
""")
DEAD = text("select agent_id, count(*) as dead from interactions where status = 'dead' group by agent_id")
WORKERS = text("select count(*) from workers where seen_at > now() - interval '10 seconds'")


COUNTERS = text("select name, value from counters")
HOOKS = text("select agent_id, hook, event, status, count as n from hook_counts")
OUTGOING = text("""
select agent_id, count(*) as waiting from outgoing_deliveries where status = 'pending' group by agent_id
""")


@dataclass(frozen=True, slots=True)
class QueueMeasure:
    """What of one kind waits for an agent: how much, and for how many seconds the oldest."""

    agent_id: str
    kind: str
    waiting: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured: the queues, how many are dead by agent, how many workers were seen lately, and counters.

    hooks: how many deliveries each hook had, by event and status.
    outgoing: how many deliveries of outgoing events wait, by agent.
    """

    queues: list[QueueMeasure]
    dead: dict[str, int]
    workers: int
    counters: dict[str, int]
    hooks: Sequence[Row[Any]]
    outgoing: dict[str, int]


def measure(engine: Engine) -> Measures:
    """Measure. Raises `sqlalchemy.exc.SQLAlchemyError`."""
    with engine.connect() as connection:
        queues = [
            QueueMeasure(row.agent_id, row.kind, row.waiting, float(row.oldest)) for row in connection.execute(QUEUED)
        ]
        dead = {row.agent_id: row.dead for row in connection.execute(DEAD)}
        workers = connection.execute(WORKERS).scalar_one()
        counters = {row.name: row.value for row in connection.execute(COUNTERS)}
        hooks = connection.execute(HOOKS).all()
        outgoing = {row.agent_id: row.waiting for row in connection.execute(OUTGOING)}
        return Measures(queues, dead, workers, counters, hooks, outgoing)
