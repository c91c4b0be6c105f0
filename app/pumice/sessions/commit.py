"""Commit: save what turns did, for every session whose lease still holds, in one statement."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import LiteralString, NamedTuple

import psycopg

from pumice.errors import PumiceError
from pumice.sessions.accept import WAKE_GRACE
from pumice.sessions.commit_rows import CommitRows, SessionCommit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.effects import outcome_row
from pumice.sessions.leases import Lease
from pumice.sessions.schedule_rows import MOVE, MOVED_COLUMNS, PLAN, run_after_schedules
from pumice.sessions.statements import Statement

CLOSED = "PU001"
"""The SQLSTATE with which a commit is refused because one of its interactions was closed meanwhile."""

READ: LiteralString = """
with changed as (
  select * from json_to_recordset(%(sessions)s::json) as c(place int, agent_id text, id text, token bigint,
    version bigint, turns int, code_version text, state_version int, stale boolean, state_at int, state_size int,
    delta_at int, delta_size int, base_at int, base_size int, keyframe bigint, added int, hidden int, release boolean,
    block float8, outcomes json, messages json, keyframes json"""
HOLD: LiteralString = """)
), mine as materialized (
  select c.*, s.transcript from changed c cross join lateral (select s.lease_token, s.transcript from sessions s
    where s.agent_id = c.agent_id and s.id = c.id offset 0) s
  where s.lease_token = c.token
), held as (
  update sessions s set
    state = case when c.state_at is null then s.state
      else convert_from(substring(%(states)b::bytea from c.state_at for c.state_size), 'UTF8')::json end,
    stale = coalesce(c.stale, s.stale),
    state_delta = case when c.stale is null then s.state_delta
      else substring(%(states)b::bytea from c.delta_at for c.delta_size) end,
    base = case when c.base_at is null then s.base
      else substring(%(states)b::bytea from c.base_at for c.base_size) end,
    keyframe = coalesce(c.keyframe, s.keyframe),
    state_version = coalesce(c.state_version, s.state_version),
    code_version = c.code_version,
    version = s.version + c.turns,
    message_count = s.message_count + c.added,
    history_start = case when c.hidden is null then s.history_start else s.message_count + c.hidden end,
    transcript = case when c.hidden is null then s.transcript end,
    expires_at = case when s.temporary then now() + %(ttl)s * interval '1 second' end,
    lease_token = case when c.release then null else s.lease_token end,
    lease_worker = case when c.release then null else s.lease_worker end,
    lease_until = case when c.release then null else now() + %(lease)s * interval '1 second' end,
    blocked_until = case when c.block is not null then now() + c.block * interval '1 second' end,
    updated_at = now()"""
SAVE: LiteralString = """
  from mine c where s.agent_id = c.agent_id and s.id = c.id and s.lease_token = c.token and s.version = c.version
  returning c.place, s.agent_id, s.id, c.token, s.message_count - c.added as first, c.turns, c.transcript,
    s.code_version, s.timezone, c.outcomes, c.messages, c.keyframes
), finished as (
  update interactions i set
    status = f.status, result = f.result::json, attempts = f.attempt,
    errors = case when f.error is null then i.errors else coalesce(i.errors, '[]') || f.error::jsonb end,
    usage = f.usage::jsonb,
    available_at = case when f.status = 'queued' then now() + f.delay * interval '1 second' else i.available_at end,
    wake_at = case when f.status = 'queued' then now() + f.delay * interval '1 second' else i.wake_at end,
    reason = f.reason, reason_code = f.reason_code, superseded_by = f.superseded_by,
    woken_at = coalesce(i.woken_at, clock_timestamp() - f.woken * interval '1 second'),
    started_at = case when f.status = 'queued' then null else clock_timestamp() - f.started * interval '1 second' end,
    finished_at = case when f.status = 'queued' then null else clock_timestamp() end,
    lease_token = h.token, point = f.point, keyframe = f.keyframe,
    delta = substring(%(states)b::bytea from f.delta_at for f.delta_size), history_start = f.history_start,
    message_count = f.message_count, transcript = case when f.inherits then h.transcript end,
    state_version = f.state_version, code_version = h.code_version, effects = f.effects::json,
    recording = coalesce(f.recording::json, i.recording)
  from held h cross join lateral json_to_recordset(h.outcomes) as f(session int, id uuid, status text, result text,
    error text, usage text, attempt int, delay float8, woken float8, started float8, reason text, reason_code text,
    superseded_by uuid, point bigint, keyframe bigint, delta_at int, delta_size int, history_start int,
    message_count int, inherits boolean, state_version int, effects text, recording text)
  where f.session = h.place and i.id = f.id and i.finished_at is null
  returning i.id
)"""
"""Saves states and results, only for sessions whose token and version match.

What every commit of many sessions has rows of (outcomes, messages, keyframes) stands with its session, as JSON in JSON:
without hash joins, matching it by the session's place compares each with each, half of a commit's time for a hundred.
A table that is small when the planner looks at it must not be passed over whole once it has grown: so what is looked up
by a key is made to look rare, `mine` by being materialized, an outcome by asking whether it stands with its session.
The version is the number of turns saved before. It makes a commit that is tried again harmless while the first try,
of which only the connection was lost, is still being executed; and it lets none in whose predecessor was given up.
"""

SAY: LiteralString = """, said as (
  insert into messages (agent_id, session_id, seq, role, content, data, interaction_id)
  select h.agent_id, h.id, h.first + m.place, m.role, m.content::json, m.data::json, m.interaction_id
  from held h cross join lateral json_to_recordset(h.messages) as m(place int, role text, content text, data text,
    interaction_id uuid)
)"""
"""Appends the turns' messages."""

CALL: LiteralString = """, calls as (
  select h.agent_id, c.* from json_to_recordset(%(calls)s::json) as c(session int, place int, id uuid, target text,
    method text, payload text, at timestamptz, delay float8, temporary boolean, scheduled boolean)
  join held h on h.place = c.session
), targets as (
  insert into sessions (agent_id, id, temporary, expires_at)
  select distinct agent_id, target, temporary, case when temporary then now() + %(ttl)s * interval '1 second' end
  from calls order by agent_id, target
  on conflict do nothing
), called as (
  insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, available_at, wake_at)
  select id, agent_id, target, 'call', method, payload::json,
    case when scheduled then coalesce(at, now() + delay * interval '1 second') end,
    coalesce(at, now() + delay * interval '1 second'),
    coalesce(at, now() + case when delay > 0 then delay else %(grace)s end * interval '1 second')
  from calls order by place
)"""
"""Makes the turns' calls."""

EMIT: LiteralString = """, emitted as (
  insert into outgoing_events (id, agent_id, session_id, interaction_id, type, payload)
  select e.id, h.agent_id, h.id, e.interaction_id, e.type, e.payload::json
  from json_to_recordset(%(events)s::json) as e(session int, id uuid, interaction_id uuid, type text, payload text)
  join held h on h.place = e.session
)"""
"""Notes the events that the turns emitted; a worker finds out later to which endpoints they go."""

KEEP: LiteralString = """, kept as (
  insert into keyframes (agent_id, session_id, id, point, data)
  select h.agent_id, h.id, k.keyframe, k.point, substring(%(states)b::bytea from k.at for k.size)
  from held h cross join lateral json_to_recordset(h.keyframes) as k(keyframe bigint, point bigint, at int, size int)
), prunable as (
  insert into prunable_sessions (agent_id, session_id, keep)
  select h.agent_id, h.id, p.keep from json_to_recordset(%(prunable)s::json) as p(session int, keep bigint)
  join held h on h.place = p.session
  on conflict do nothing
), named as (
  insert into snapshots (agent_id, session_id, name, note, interaction_id, point, keyframe, delta, state_version,
    code_version, history_start, message_count, transcript)
  select h.agent_id, h.id, n.name, n.note, n.interaction_id, n.point, n.keyframe,
    substring(%(states)b::bytea from n.delta_at for n.delta_size), n.state_version, h.code_version, n.history_start,
    n.message_count, case when n.inherits then h.transcript end
  from json_to_recordset(%(snapshots)s::json) as n(session int, name text, note text, interaction_id uuid,
    point bigint, keyframe bigint, delta_at int, delta_size int, state_version int, history_start int,
    message_count int, inherits boolean)
  join held h on h.place = n.session
)"""
"""Keeps new keyframes and what the turns named, and says which sessions have more points than are kept."""

HELD: LiteralString = """
select agent_id, id, token from held
where case when (select count(*) from finished) = (select sum(turns) from held) then true
  else pumice_closed_meanwhile() end"""
"""The sessions whose lease held. The function raises `CLOSED`, which undoes all of it, when a turn's interaction was
closed meanwhile: counting costs nothing, and asking before would cost every turn a look-up."""


class _Held(NamedTuple):
    agent_id: str
    id: str
    token: int


class _Closed(NamedTuple):
    id: str


class _Saved(NamedTuple):
    id: str
    status: str
    token: int


_PARTS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("_messages", SAY),
    ("_calls", CALL),
    ("_events", EMIT),
    ("_points", KEEP),
    ("_schedules", PLAN),
)


def _statement(wanted: tuple[bool, ...]) -> Statement[_Held]:
    name: LiteralString = "commit"
    sql: LiteralString = READ + MOVED_COLUMNS + HOLD + MOVE + SAVE if wanted[-1] else READ + HOLD + SAVE
    for (part_name, part), is_wanted in zip(_PARTS, wanted, strict=True):
        if is_wanted:
            name, sql = name + part_name, sql + part
    return Statement(name, sql + HELD, _Held)


COMMIT = {wanted: _statement(wanted) for wanted in product((False, True), repeat=len(_PARTS))}
"""The one statement of a commit, by whether there are messages, calls, events, keyframes or names, and schedules
or timezones.

Returns the sessions whose lease held.

What a commit does not need is left out: each part costs time even when it has no rows.
"""

READ_BACK = Statement(
    "read_commit_back",
    """
select id::text as id, status, lease_token as token from interactions
where id = any(%(ids)s::uuid[]) and lease_token = any(%(tokens)s::bigint[])
""",
    _Saved,
)
"""After a connection was lost in a commit: which outcomes are there already."""

FIND_CLOSED = Statement(
    "find_closed_turns",
    """
select w.id::text as id from unnest(%(ids)s::uuid[]) as w(id) left join interactions i on i.id = w.id
where i.id is null or i.finished_at is not null
""",
    _Closed,
)
"""Which of these interactions are closed, or gone."""


class ClosedError(PumiceError):
    """Interactions were cancelled or dropped while their turns ran; nothing was committed."""

    def __init__(self, ids: set[str]) -> None:
        self.ids = ids
        super().__init__()


def commit(
    store: StoreConnection,
    sessions: Sequence[SessionCommit],
    *,
    temporary_ttl: float,
    lease_seconds: float,
    unsure: bool = False,
) -> set[Lease]:
    """Commit. Returns the leases that held: the others' sessions were lost and nothing of theirs was saved.

    `unsure`: an earlier try may have happened; what it saved is counted as held.
    Raises `StoreAwayError`; then it may or may not have happened. Raises `ClosedError`; then it did not.
    """
    written = CommitRows.of(sessions)
    statement = COMMIT[
        written.has_messages, written.has_calls, written.has_events, written.has_points, written.has_schedules
    ]
    options = {"ttl": temporary_ttl, "lease": lease_seconds, "grace": WAKE_GRACE}
    try:
        rows = run_after_schedules(store, statement, written.parameters() | options, written.schedules)
    except psycopg.DatabaseError as error:
        if error.sqlstate != CLOSED:
            raise
        ids = [outcome.work.id for one in sessions for outcome in one.outcomes]
        raise ClosedError({row.id for row in store.fetch(FIND_CLOSED, {"ids": ids})}) from None
    saved = {Lease(*row) for row in rows}
    if unsure and (left := [one for one in sessions if one.lease not in saved]):
        saved |= _read_back(store, left)
    return saved


def without(sessions: Sequence[SessionCommit], closed: set[str]) -> list[SessionCommit]:
    """The same without the turns of these interactions and what was built on them; those sessions' leases go back."""
    return [_cut(one, closed) for one in sessions]


def _cut(one: SessionCommit, closed: set[str]) -> SessionCommit:
    for place, outcome in enumerate(one.outcomes):
        if outcome.work.id in closed:
            return replace(one, release=True, turns=one.turns[:place], cut=outcome.work)
    return one


def first_alone(one: SessionCommit) -> SessionCommit:
    """The same with its first turn alone: of several, Postgres does not say which it refuses."""
    return replace(one, release=True, turns=one.turns[:1], cut=one.turns[1].outcome.work)


def _read_back(store: StoreConnection, sessions: Sequence[SessionCommit]) -> set[Lease]:
    """The leases under which all of a session's outcomes were saved as they are."""
    ids = [outcome.work.id for one in sessions for outcome in one.outcomes]
    tokens = list({one.lease.token for one in sessions})
    saved = set(store.fetch(READ_BACK, {"ids": ids, "tokens": tokens}))
    return {
        one.lease
        for one in sessions
        if one.outcomes
        and all(_Saved(each.work.id, outcome_row(each)["status"], one.lease.token) in saved for each in one.outcomes)
    }
