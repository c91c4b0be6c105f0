"""Ticks in tests: inserting one, and fanning it out as a worker does."""

from datetime import UTC, datetime
from typing import Any

from pumice.agents.jobs import Job, Overlap
from pumice.agents.schedules import Cron
from pumice.agents.spec import describe
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.ticks import Tick, take_ticks
from tests.support.protocol import AGENT, Protocol

TIME = datetime(2025, 6, 1, 9, tzinfo=UTC)


def declared(cls: type[Any], name: str = "remind") -> Job:
    """A job of an agent class."""
    return describe(cls).jobs[name]


def made(name: str = "remind", **options: Any) -> Job:
    """A job that runs each minute, and queues unless told otherwise."""
    from pumice.agents.declare import Policy  # noqa: PLC0415

    given = {"schedule": Cron("* * * * *"), "overlap": Overlap.QUEUE, **options}
    return Job("remind", Policy(timeout=60), given.pop("static", False), name=name, **given)


def insert_tick(steps: Protocol, at: datetime = TIME, name: str = "remind", **columns: Any) -> None:
    """Insert a tick, as a beat does."""
    given = {"agent_id": AGENT, "job": name, "scheduled_for": at, **columns}
    names, places = ", ".join(given), ", ".join(["%s"] * len(given))
    steps.query(f"insert into ticks ({names}) values ({places}) returning 1 as n", *given.values())


def take(steps: Protocol, agents: tuple[str, ...] = (AGENT,), limit: int = 10) -> list[Tick]:
    """Take the ticks that are open, as if nobody were at them."""
    steps.query("update ticks set next_at = now() where done_at is null returning 1 as n")
    return take_ticks(steps.store, agents, limit)


def tick_of(at: datetime = TIME, name: str = "remind", **fields: Any) -> Tick:
    """A tick as it is taken."""
    given: dict[str, Any] = {
        "is_inserted": False, "queues": False, "missed": 0, "zones": None, "kind": "due", "age": 0.0,
        "has_begun": False, "is_removed": False, **fields,
    }  # fmt: skip
    return Tick(AGENT, name, at, **given)


def fan_out(steps: Protocol, tick: Tick, job: Job) -> int:
    """Fan a tick out to its end. Returns how many runs were made."""
    condition = None
    if job.condition is not None:
        condition = PageCondition(job.condition, by_zone=job.is_local, temporary=job.temporary)
    count = 0
    while (page := fan_out_page(steps.store, tick, job, condition)) is not None:
        count += page.made
    return count
