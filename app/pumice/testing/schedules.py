"""Schedules made at run time, of sessions under test: stored with their turn, fired when the clock comes to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pumice.agents.context import to_json
from pumice.agents.due_times import due_times
from pumice.agents.jobs import SESSION_ZONE
from pumice.agents.json_text import loads
from pumice.agents.scheduling import NewSchedule, ScheduleOperation, changes_of, checked_timezone, zone_of
from pumice.agents.states import REASONS, Reason
from pumice.testing.interactions import Planned, RecordedInteraction, StoredSchedule, StoredSession
from pumice.testing.store import InMemoryStore, NewInteraction


@dataclass(frozen=True)
class PlannedSchedule:
    """A schedule of a session: what it calls, when next, and how it recurs, if it does. `every`: seconds."""

    key: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    next_at: datetime | None
    cron: str | None
    every: float | None
    timezone: str | None

    @classmethod
    def of(cls, stored: StoredSchedule) -> "PlannedSchedule":
        """As its author asked for it."""
        new, given = stored.new, loads(stored.new.payload)
        return cls(
            new.key,
            new.method,
            tuple(given["args"]),
            given["kwargs"],
            stored.next_at,
            new.cron,
            new.every,
            new.timezone,
        )


def change(
    store: InMemoryStore, session: StoredSession, operations: Iterable[ScheduleOperation], ran: RecordedInteraction
) -> None:
    """Do what the turn of the interaction `ran` asked for its session's schedules."""
    for one in changes_of(operations):
        known = session.schedules.pop(one.key, None)
        if one.cancels:
            known = None
            _cancel_fired(store, session, one.key, ran)
        if one.new is None:
            continue
        recurs = one.new.cron is not None or one.new.every is not None
        if known is not None and recurs and known.new == one.new:
            session.schedules[one.key] = known
        else:
            session.schedules[one.key] = StoredSchedule(one.new, _first(one.new, store.now, session.timezone))


def move(store: InMemoryStore, session: StoredSession, timezone: str | None) -> None:
    """Set a session's timezone. Raises `ValueError` for what is none."""
    session.timezone = None if timezone is None else checked_timezone(timezone)
    for one in session.schedules.values():
        if one.new.timezone == SESSION_ZONE:
            one.next_at = _first(one.new, store.now, session.timezone)


def next_due(store: InMemoryStore) -> tuple[datetime, StoredSession, str] | None:
    """When a schedule is due next, of which session and key; None when there is none."""
    found = [
        (one.next_at, session, key)
        for session in store.sessions.values()
        for key, one in session.schedules.items()
        if one.next_at is not None
    ]
    return min(found, key=lambda each: (each[0], each[1].id, each[2]), default=None)


def fire(store: InMemoryStore, session: StoredSession, key: str) -> RecordedInteraction | None:
    """Accept what a schedule calls, for its next time or, where the clock is past that, the newest that is due.

    It may run then. Returns None where the last run of a recurring one is not finished: this one is folded into the
    next.
    """
    stored = session.schedules[key]
    new, at = stored.new, stored.next_at or store.now
    due = due_times(
        at, max(store.now, at), cron=new.cron, every=new.every, zone=zone_of(new.timezone, session.timezone)
    )
    recurs = new.cron is not None or new.every is not None
    if recurs:
        stored.next_at = due.next_at
    else:
        del session.schedules[key]
    missed = stored.missed + due.missed
    if recurs and any(one.session is session and one.schedule_key == key for one in store.queued):
        stored.missed = missed + 1
        return None
    stored.missed = 0
    return _accept(store, session, new, due.at or at, missed)


def _accept(
    store: InMemoryStore, session: StoredSession, new: NewSchedule, at: datetime, missed: int
) -> RecordedInteraction:
    given = loads(new.payload)
    payload = to_json(given | ({"missed": missed} if missed else {}), "the arguments")
    asked = NewInteraction(
        kind="call",
        name=new.method,
        payload=payload,
        available_at=max(at, store.now),
        scheduled_for=at,
        made_by=session,
        schedule_key=new.key,
    )
    one = store.accept(session, asked)
    store.plan(one, Planned(session.id, new.method, tuple(given["args"]), given["kwargs"], at, 0.0, store.now))
    return one


def _first(new: NewSchedule, now: datetime, timezone: str | None) -> datetime:
    seconds = new.delay if new.every is None else new.every
    return new.first(now, timezone) or now + timedelta(seconds=seconds)


def _cancel_fired(store: InMemoryStore, session: StoredSession, key: str, ran: RecordedInteraction) -> None:
    for one in [each for each in store.queued if each.session is session and each.schedule_key == key]:
        if one is not ran:
            one.status, one.reason = "cancelled", REASONS[Reason.UNSCHEDULED]
            store.finish(one)
