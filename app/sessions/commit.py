"""Commit: save what turns did, for every session whose lease still holds, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import orjson

from app.agents.turn import Outcome
from app.sessions.accept import WAKE_GRACE
from app.sessions.claim import Lease
from app.sessions.lanes import Lane

COMMIT: LiteralString = """
with changed as (
  select * from unnest(%(agents)s::text[], %(sessions)s::text[], %(tokens)s::bigint[], %(versions)s::bigint[],
    %(turns)s::int[], %(states)s::text[], %(added)s::int[], %(hidden)s::int[], %(releases)s::boolean[],
    %(blocks)s::float8[])
  as c(agent_id, id, token, version, turns, state, added, hidden, release, block)
), mine as (
  select c.* from changed c cross join lateral (select s.lease_token from sessions s
    where s.agent_id = c.agent_id and s.id = c.id offset 0) s
  where s.lease_token = c.token
), held as (
  update sessions s set
    state = case when c.state is null then s.state else c.state::jsonb end,
    version = s.version + c.turns,
    message_count = s.message_count + c.added,
    history_start = case when c.hidden is null then s.history_start else s.message_count + c.hidden end,
    expires_at = case when s.temporary then now() + %(ttl)s * interval '1 second' end,
    lease_token = case when c.release then null else s.lease_token end,
    lease_worker = case when c.release then null else s.lease_worker end,
    lease_until = case when c.release then null else now() + %(lease)s * interval '1 second' end,
    careful = s.careful and not c.release,
    blocked_until = case when c.block is not null then now() + c.block * interval '1 second' end,
    updated_at = now()
  from mine c where s.agent_id = c.agent_id and s.id = c.id and s.lease_token = c.token and s.version = c.version
  returning s.agent_id, s.id, c.token, s.message_count - c.added as first
), finished as (
  update interactions i set
    status = f.status, result = f.result::json, attempts = f.attempt,
    errors = case when f.error is null then i.errors else coalesce(i.errors, '[]') || f.error::jsonb end,
    usage = f.usage::jsonb,
    available_at = case when f.status = 'queued' then now() + f.delay * interval '1 second' else i.available_at end,
    wake_at = case when f.status = 'queued' then now() + f.delay * interval '1 second' else i.wake_at end,
    reason = f.reason, superseded_by = f.superseded_by,
    woken_at = coalesce(i.woken_at, clock_timestamp() - f.woken * interval '1 second'),
    started_at = case when f.status = 'queued' then null else clock_timestamp() - f.started * interval '1 second' end,
    finished_at = case when f.status = 'queued' then null else clock_timestamp() end,
    lease_token = h.token
  from unnest(%(f_ids)s::uuid[], %(f_agents)s::text[], %(f_sessions)s::text[], %(f_statuses)s::text[],
    %(f_results)s::text[], %(f_errors)s::text[], %(f_usages)s::text[], %(f_attempts)s::int[], %(f_delays)s::float8[],
    %(f_woken)s::float8[], %(f_started)s::float8[], %(f_reasons)s::text[], %(f_superseded)s::uuid[])
  as f(id, agent_id, session_id, status, result, error, usage, attempt, delay, woken, started, reason, superseded_by)
  join held h on h.agent_id = f.agent_id and h.id = f.session_id
  where i.id = f.id and i.finished_at is null
), said as (
  insert into messages (agent_id, session_id, seq, role, content, data, interaction_id)
  select m.agent_id, m.session_id, h.first + m.place, m.role, m.content::json, m.data::json, m.interaction_id
  from unnest(%(m_agents)s::text[], %(m_sessions)s::text[], %(m_places)s::int[], %(m_roles)s::text[],
    %(m_contents)s::text[], %(m_data)s::text[], %(m_interactions)s::uuid[])
  as m(agent_id, session_id, place, role, content, data, interaction_id)
  join held h on h.agent_id = m.agent_id and h.id = m.session_id
), calls as (
  select c.* from unnest(%(c_ids)s::uuid[], %(c_agents)s::text[], %(c_from)s::text[], %(c_sessions)s::text[],
    %(c_methods)s::text[], %(c_payloads)s::text[], %(c_at)s::timestamptz[], %(c_delays)s::float8[])
  with ordinality as c(id, agent_id, caller, session_id, method, payload, at, delay, place)
  join held h on h.agent_id = c.agent_id and h.id = c.caller
), targets as (
  insert into sessions (agent_id, id) select distinct agent_id, session_id from calls order by agent_id, session_id
  on conflict do nothing
), called as (
  insert into interactions (id, agent_id, session_id, kind, name, payload, available_at, wake_at)
  select id, agent_id, session_id, 'call', method, payload::json,
    coalesce(at, now() + delay * interval '1 second'),
    coalesce(at, now() + case when delay > 0 then delay else %(grace)s end * interval '1 second')
  from calls order by place
)
select agent_id, id, token from held
"""
"""Saves states, results, messages and calls together, only for sessions whose token and version match; returns those.

The version is the number of turns saved before. It makes a commit that is tried again harmless while the first try,
of which only the connection was lost, is still being executed; and it lets none in whose predecessor was given up.
"""

READ_BACK: LiteralString = """
select distinct agent_id, session_id as id, lease_token as token from interactions
where id = any(%(ids)s::uuid[]) and lease_token = any(%(tokens)s::bigint[])
"""
"""After a connection was lost in a commit: which sessions' outcomes are there already."""


INTERRUPTED = "interrupted by a newer message"


@dataclass(slots=True)
class SessionCommit:
    """What one session's turns did, at a version. `ages` are seconds since the wake and the start of each turn."""

    lease: Lease
    version: int
    release: bool
    outcomes: list[Outcome] = field(default_factory=list)
    ages: list[tuple[float, float]] = field(default_factory=list)


def commit(
    lane: Lane, sessions: Sequence[SessionCommit], *, temporary_ttl: float, lease_seconds: float, unsure: bool = False
) -> set[Lease]:
    """Commit. Returns the leases that held: the others' sessions were lost and nothing of theirs was saved.

    `unsure`: an earlier try may have happened; what it saved is counted as held.
    Raises `StoreAwayError`; then it may or may not have happened.
    """
    rows = lane.fetch(COMMIT, {**_columns(sessions), "ttl": temporary_ttl, "lease": lease_seconds, "grace": WAKE_GRACE})
    saved = {Lease(*row) for row in rows}
    if unsure and (left := [one for one in sessions if one.lease not in saved]):
        saved |= _read_back(lane, left)
    return saved


def _read_back(lane: Lane, sessions: Sequence[SessionCommit]) -> set[Lease]:
    ids = [outcome.work.id for one in sessions for outcome in one.outcomes]
    tokens = list({one.lease.token for one in sessions})
    return {Lease(*row) for row in lane.fetch(READ_BACK, {"ids": ids, "tokens": tokens})}


def _columns(sessions: Sequence[SessionCommit]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for one in sessions:
        _add_session(columns, one)
    return columns


COLUMNS = (
    *("agents", "sessions", "tokens", "versions", "turns", "states", "added", "hidden", "releases", "blocks"),
    *("f_ids", "f_agents", "f_sessions", "f_statuses", "f_results", "f_errors", "f_usages", "f_attempts"),
    *("f_delays", "f_woken", "f_started", "f_reasons", "f_superseded"),
    *("m_agents", "m_sessions", "m_places", "m_roles", "m_contents", "m_data", "m_interactions"),
    *("c_ids", "c_agents", "c_from", "c_sessions", "c_methods", "c_payloads", "c_at", "c_delays"),
)


def _add_row(columns: dict[str, list[Any]], **values: Any) -> None:
    for name, value in values.items():
        columns[name].append(value)


def _add_session(columns: dict[str, list[Any]], one: SessionCommit) -> None:
    agent_id, session_id = one.lease.agent_id, one.lease.session_id
    state, hidden, block, place = None, None, None, 0
    for outcome, (woken, started) in zip(one.outcomes, one.ages, strict=True):
        state = outcome.state or state
        if outcome.replaces_history:
            hidden = place
        failure = outcome.failure
        retries = failure is not None and outcome.status == "retry"
        if failure is not None and retries and failure.blocking:
            block = failure.retry_after
        _add_row(
            columns,
            f_ids=outcome.work.id,
            f_agents=agent_id,
            f_sessions=session_id,
            f_statuses="queued" if retries else outcome.status,
            f_results=outcome.result,
            f_errors=_json(failure.encode() if failure else None),
            f_usages=_json(outcome.usage),
            f_attempts=outcome.work.attempts + 1,
            f_delays=failure.retry_after if failure else 0.0,
            f_woken=woken,
            f_started=started,
            f_reasons=_reason(outcome),
            f_superseded=outcome.superseded_by,
        )
        for message in outcome.messages:
            _add_row(
                columns,
                m_agents=agent_id,
                m_sessions=session_id,
                m_places=place,
                m_roles=message.role,
                m_contents=_json(message.content),
                m_data=_json(message.data),
                m_interactions=outcome.work.id,
            )
            place += 1
        for call in outcome.calls:
            _add_row(
                columns,
                c_ids=call.id,
                c_agents=agent_id,
                c_from=session_id,
                c_sessions=call.session_id,
                c_methods=call.method,
                c_payloads=call.payload,
                c_at=call.at,
                c_delays=call.delay,
            )
    _add_row(
        columns,
        agents=agent_id,
        sessions=session_id,
        tokens=one.lease.token,
        versions=one.version,
        turns=len(one.outcomes),
        states=state,
        added=place,
        hidden=hidden,
        releases=one.release,
        blocks=block,
    )


def _reason(outcome: Outcome) -> str | None:
    if outcome.superseded_by is not None:
        return INTERRUPTED
    if outcome.failure is None:
        return None
    return f"{outcome.status} after attempt {outcome.work.attempts + 1}: {outcome.failure.type}"


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
