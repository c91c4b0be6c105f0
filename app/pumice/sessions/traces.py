"""What stands elsewhere of sessions that are erased: in reports of replays, and in operations."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pumice.agents.json_text import dumps
from pumice.sessions.connections import Transaction
from pumice.sessions.outgoing_events import forget_events
from pumice.sessions.statements import NoRow, Statement

ERASED = "$erased"
"""Stands for an erased session's id. No session can be called so."""
SHORT = 8
"""Characters of an id up to which it is looked for in texts only as a word: a shorter one is in many."""


class _Emptied(NamedTuple):
    n: int


class _Reported(NamedTuple):
    reports: int
    requests: int


class _Operation(NamedTuple):
    id: str
    status: str
    position: str
    request: dict[str, Any]
    problems: list[dict[str, Any]]


EMPTY_OUT = Statement(
    "erase_interactions",
    """
with gone as (
  delete from interactions where agent_id = %(agent)s and session_id = any(%(sessions)s) and status <> 'queued'
    and not exists (select from sessions s where s.agent_id = %(agent)s and s.id = session_id)
  returning id
)
select count(*) as n from gone
""",
    _Emptied,
)
"""Deletes what a deletion leaves of interactions that had not finished, for whoever waits for them."""

DELIVERIES = Statement(
    "erase_deliveries",
    """
with gone as (
  delete from deliveries where agent_id = %(agent)s and session_id = any(%(sessions)s) returning id
)
select count(*) as n from gone
""",
    _Emptied,
)
"""Deletes what is noted of repeated deliveries."""

REPORTS = Statement(
    "erase_replay_reports",
    """
with gone as (
  delete from replay_sessions where agent_id = %(agent)s and session_id = any(%(sessions)s) returning replay_id
), named as (
  update replays r set request = (r.request::jsonb || jsonb_build_object('sessions', coalesce((
    select jsonb_agg(one) from jsonb_array_elements_text(r.request::jsonb -> 'sessions') one
    where one <> all(%(sessions)s)), '[]'::jsonb)))::json
  where r.agent_id = %(agent)s and r.request::jsonb -> 'sessions' ?| %(sessions)s::text[] returning r.id
)
select (select count(distinct replay_id) from gone) as reports, (select count(*) from named) as requests
""",
    _Reported,
)
"""Takes the sessions out of the reports and requests of replays. Returns in how many they were."""

FIND = Statement(
    "find_operations_that_name",
    """
select id::text as id, status, position, request, problems from operations o
where agent_id = %(agent)s and exists (select from unnest(%(texts)s::text[]) t
  where strpos(o.request::text, t) > 0 or strpos(o.problems::text, t) > 0 or strpos(o.position, t) > 0)
for update
""",
    _Operation,
)
"""Operations in which any of these texts stands."""

REDACT = Statement(
    "redact_operation",
    """
update operations set position = %(position)s, request = %(request)s::json, problems = %(problems)s::jsonb
where id = %(id)s::uuid
""",
    NoRow,
)
"""Writes an operation without what it said of sessions."""


class Forgotten(NamedTuple):
    """What was forgotten. reports: of replays in which the sessions were. changed: whether anything was."""

    reports: int
    changed: bool


def forget_traces(transaction: Transaction, agent_id: str, sessions: Sequence[str]) -> Forgotten:
    """Forget what is told of sessions elsewhere. May be done again."""
    key = {"agent": agent_id, "sessions": list(sessions)}
    emptied = transaction.fetch(EMPTY_OUT, key)[0].n
    emptied += transaction.fetch(DELIVERIES, key)[0].n
    emptied += forget_events(transaction, agent_id, sessions)
    reports, requests = transaction.fetch(REPORTS, key)[0]
    redacted = _redact_operations(transaction, agent_id, sessions)
    return Forgotten(reports, bool(emptied or reports or requests or redacted))


def _redact_operations(transaction: Transaction, agent_id: str, sessions: Sequence[str]) -> int:
    """Take the sessions out of operations. Returns out of how many.

    One that runs keeps what it was asked and where it is, without which it could not go on.
    """
    texts = [*sessions, *(dumps(one).decode()[1:-1] for one in sessions)]
    changed = 0
    for row in transaction.fetch(FIND, {"agent": agent_id, "texts": texts}):
        left = _without(row, sessions)
        if left != row:
            document = {"request": dumps(left.request).decode(), "problems": dumps(left.problems).decode()}
            transaction.fetch(REDACT, {"id": row.id, "position": left.position} | document)
            changed += 1
    return changed


def _without(row: _Operation, sessions: Sequence[str]) -> _Operation:
    problems = [
        {**one, "detail": _redacted(one["detail"], sessions)}
        for one in row.problems
        if one["sessionId"] not in sessions
    ]
    if row.status == "running":
        return row._replace(problems=problems)
    position = "" if row.position in sessions else row.position
    return row._replace(position=position, request=_renamed(row.request, sessions), problems=problems)


def _redacted(text: str, sessions: Sequence[str]) -> str:
    """A text without the ids that stand in it."""
    for one in sessions:
        name = re.escape(one)
        text = re.sub(name if len(one) > SHORT else rf"(?<!\w){name}(?!\w)", lambda _: ERASED, text)
    return text


def _renamed(value: Any, sessions: Sequence[str]) -> Any:
    """A JSON value in which the ids do not stand any more."""
    if isinstance(value, dict):
        return {name: _renamed(one, sessions) for name, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, sessions) for one in value]
    return ERASED if isinstance(value, str) and value in sessions else value
