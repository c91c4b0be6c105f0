"""Schedules in tests: turns that make them on the protocol, and their rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pumice.agents.scheduling import NewSchedule, ScheduleOperation, Unschedule
from pumice.agents.turn import Outcome
from pumice.sessions.schedule_steps import Fired, fire_due
from tests.support.protocol import AGENT, Protocol, new

PAYLOAD = '{"args":[1],"kwargs":{}}'


def once(key: str = "k", *, method: str = "remind", **when: Any) -> NewSchedule:
    """A schedule that is due once: `at` or `delay`."""
    return NewSchedule(key=key, method=method, payload=PAYLOAD, **when)


def every(seconds: float = 60.0, key: str = "k", **other: Any) -> NewSchedule:
    """A schedule that is due each so many seconds."""
    return NewSchedule(key=key, **{"method": "remind", "payload": PAYLOAD, **other}, every=seconds)


def cron(text: str = "0 9 * * *", key: str = "k", timezone: str = "UTC") -> NewSchedule:
    """A schedule that is due by a cron expression."""
    return NewSchedule(key=key, method="remind", payload=PAYLOAD, cron=text, timezone=timezone)


def turn(
    protocol: Protocol, *operations: ScheduleOperation, session: str = "s", timezone: Any = ..., lost: bool = False
) -> bool:
    """Run a turn that asks for these, and is lost if `lost`. Returns whether its lease held."""
    protocol.accept(new(session))
    claimed = protocol.claim_one(session, limit=1)
    moved = timezone is not ...
    zone = timezone if moved else claimed.timezone
    if lost:
        protocol.query("update sessions set lease_token = null where agent_id = %s and id = %s", AGENT, session)
    outcome = Outcome(claimed.work[0], schedules=list(operations), timezone=zone, moves=moved)
    return protocol.finish(claimed, outcome)


def rows(protocol: Protocol, session: str = "s") -> dict[str, dict[str, Any]]:
    """A session's schedules by their keys."""
    found = protocol.query("select * from schedules where agent_id = %s and session_id = %s", AGENT, session)
    return {row["key"]: row for row in found}


def fired(protocol: Protocol, session: str = "s") -> list[dict[str, Any]]:
    """The interactions that schedules of a session made, in order."""
    return [row for row in protocol.interactions(session) if row["schedule_key"] is not None]


def make_due(protocol: Protocol, key: str = "k", *, ago: float = 0.0, session: str = "s") -> datetime:
    """Have a schedule be due so many seconds ago. Returns that time."""
    statement = (
        "update schedules set next_at = now() - %s where agent_id = %s and session_id = %s and key = %s"
        " returning next_at"
    )
    at: datetime = protocol.query(statement, timedelta(seconds=ago), AGENT, session, key)[0]["next_at"]
    return at


def fire(protocol: Protocol, agents: Sequence[str] = (AGENT,)) -> Fired:
    """Fire what is due."""
    return fire_due(protocol.store, agents)


def run(protocol: Protocol, session: str = "s") -> None:
    """Run what is due in a session, each well."""
    claimed = protocol.claim_one(session)
    assert protocol.finish(claimed, *(Outcome(work, result='{"value": null}') for work in claimed.work))


__all__ = ["NewSchedule", "Unschedule", "cron", "every", "fire", "fired", "make_due", "once", "rows", "run", "turn"]
