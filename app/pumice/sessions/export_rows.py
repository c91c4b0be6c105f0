"""The rows that an export reads, page by page: as many as fit into a bounded number of bytes, but one at least."""

import base64
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.session_file import Snapshot, Stand, StoredInteraction, StoredMessage, from_text
from pumice.sessions.conversation import Part, parts_of
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.point_writer import NO_STATE
from pumice.sessions.statements import Statement

PAGE_ROWS = 100
PAGE_BYTES = 2_000_000


class ExportedSession(NamedTuple):
    """What an export reads of the session's own row, and the newest interaction that it will show."""

    metadata: dict[str, Any]
    temporary: bool
    quiet: bool
    timezone: str | None
    line: int | None
    created_at: datetime
    updated_at: datetime
    newest: int | None
    until: datetime | None


class TranscriptRow(NamedTuple):
    """Parts of other conversations that some point of the session has."""

    transcript: list[list[int]]


class MessageRow(NamedTuple):
    """A message."""

    seq: int
    role: str
    content: Any
    data: Any
    interaction_id: str
    created_at: datetime


class SnapshotRow(NamedTuple):
    """A snapshot with what tells its point."""

    name: str
    note: str | None
    interaction_id: str | None
    created_at: datetime
    point: int
    keyframe: int | None
    delta: bytes | None
    state_version: int | None
    code_version: str | None
    history_start: int | None
    message_count: int | None
    transcript: list[list[int]] | None


class InteractionRow(NamedTuple):
    """An interaction with what tells its point."""

    seq: int
    id: str
    kind: str
    name: str | None
    payload: str
    body: bytes | None
    status: str
    reason: str | None
    reason_code: str | None
    superseded_by: str | None
    attempts: int
    accepted_at: datetime
    available_at: datetime
    scheduled_for: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: str | None
    errors: Any
    usage: Any
    effects: str | None
    point: int | None
    keyframe: int | None
    delta: bytes | None
    state_version: int | None
    code_version: str | None
    history_start: int | None
    message_count: int | None
    transcript: list[list[int]] | None


class KeyframeRow(NamedTuple):
    """A state in full, compressed."""

    id: int
    data: bytes


SESSION = Statement(
    "export_session",
    """
select o.metadata, o.temporary, o.quiet, o.timezone, s.line, o.created_at, o.updated_at,
  (select max(i.seq) from interactions i where i.agent_id = s.agent_id and i.session_id = s.id) as newest,
  (select i.finished_at from interactions i where i.id = %(interaction)s::uuid) as until
from sessions o, sessions s
where o.agent_id = %(agent)s and o.id = %(session)s and s.agent_id = %(agent)s and s.id = %(owner)s
""",
    ExportedSession,
)
"""The session that was asked for, and where the interactions end of the one that has its point."""

TRANSCRIPTS = Statement(
    "export_transcripts",
    """
select t.transcript::json as transcript from (
  select distinct i.transcript::text as transcript from interactions i
  where i.agent_id = %(agent)s and i.session_id = %(session)s and i.point <= %(point)s and i.transcript is not null
  union select n.transcript::text from snapshots n
  where n.agent_id = %(agent)s and n.session_id = %(session)s and n.point <= %(point)s and n.transcript is not null
) t
""",
    TranscriptRow,
)
"""Which parts of other conversations, and of its own, the points up to this one have."""

MESSAGES = Statement(
    "export_messages",
    """
select seq, role, content, data, interaction_id::text as interaction_id, created_at from (
  select m.*, row_number() over (order by m.seq) as place,
    sum(pg_column_size(m.content) + coalesce(pg_column_size(m.data), 0)) over (order by m.seq) as size
  from (
    select m.* from json_to_recordset(%(parts)s::json) as p(line bigint, first int, stop int)
    cross join lateral (select case when p.line = 0 then %(session)s else
      (select a.id from sessions a where a.line = p.line) end as id offset 0) s
    cross join lateral (
      select m.* from messages m where m.agent_id = %(agent)s and m.session_id = s.id
        and m.seq >= greatest(p.first, %(after)s + 1) and m.seq < p.stop order by m.seq limit %(limit)s
    ) m order by m.seq limit %(limit)s
  ) m
) m where place = 1 or size <= %(bytes)s order by seq
""",
    MessageRow,
)
"""A page of messages."""

SNAPSHOTS = Statement(
    "export_snapshots",
    """
select name, note, interaction_id::text as interaction_id, created_at, point, keyframe, delta, state_version,
  code_version, history_start, message_count, transcript
from snapshots where agent_id = %(agent)s and session_id = %(session)s and name > %(after)s and name not like '$%%'
  and point <= %(point)s order by name limit %(limit)s
""",
    SnapshotRow,
)
"""A page of snapshots up to a point."""

INTERACTIONS = Statement(
    "export_interactions",
    """
select seq, id::text as id, kind, name, payload::text as payload, body, status, reason, reason_code,
  superseded_by::text as superseded_by, attempts, accepted_at, available_at, scheduled_for, started_at, finished_at,
  result::text as result, errors, usage, effects::text as effects, point, keyframe, delta, state_version,
  code_version, history_start, message_count, transcript
from (
  select i.*, row_number() over (order by i.seq) as place, sum(pg_column_size(i.payload)
    + coalesce(pg_column_size(i.result), 0) + coalesce(octet_length(i.body), 0)) over (order by i.seq) as size
  from (
    select i.* from interactions i
    where i.agent_id = %(agent)s and i.session_id = %(session)s and i.seq > %(after)s and i.seq <= %(newest)s
      and i.reason_code is distinct from 'deleted'
      and (i.point <= %(point)s or (i.point is null and (%(until)s::timestamptz is null
        or i.finished_at <= %(until)s)))
    order by i.seq limit %(limit)s
  ) i
) i where place = 1 or size <= %(bytes)s order by seq
""",
    InteractionRow,
)
"""A page of interactions up to a point: those that left one, and those that ended without one before it."""

KEYFRAMES = Statement(
    "export_keyframes",
    """
select id, data from keyframes
where agent_id = %(agent)s and session_id = %(session)s and id = any(%(ids)s)
""",
    KeyframeRow,
)
"""The states from which points are told."""


def spans(parts: list[Part]) -> list[list[int]]:
    """The parts of a conversation as spans of message numbers; the last ends with the number of the next message."""
    found: list[list[int]] = []
    for place, (_, first, stop) in enumerate(parts, 1):
        if found and found[-1][1] == first:
            found[-1][1] = stop
        elif stop > first or place == len(parts):
            found.append([first, stop])
    return found


def stand(row: SnapshotRow | InteractionRow, keyframes: dict[int, bytes]) -> Stand:
    """The point of a row; without its state where that was pruned."""
    parts = parts_of(row.transcript, row.history_start or 0, row.message_count or 0)
    told: dict[str, Any] = {}
    if row.keyframe == NO_STATE:
        told = {"state": None}
    elif row.keyframe is not None and row.delta is not None and row.keyframe in keyframes:
        told = {"state": from_text(apply(keyframes[row.keyframe], row.delta))}
    return Stand(
        number=row.point or 0,
        state_version=row.state_version or 1,
        code_version=row.code_version,
        conversation=spans(parts),
        **told,
    )


def unpacked(rows: list[KeyframeRow]) -> dict[int, bytes]:
    """The states that keyframes hold, by their ids."""
    return {row.id: unpack(row.data) for row in rows}


def snapshot_line(row: SnapshotRow, keyframes: dict[int, bytes]) -> Snapshot:
    """A snapshot's line."""
    return Snapshot(
        type="snapshot",
        name=row.name,
        note=row.note,
        interaction_id=row.interaction_id,
        created_at=row.created_at,
        point=stand(row, keyframes),
    )


def message_line(row: MessageRow) -> StoredMessage:
    """A message's line."""
    return StoredMessage(type="message", **row._asdict())


def interaction_line(row: InteractionRow, keyframes: dict[int, bytes]) -> StoredInteraction:
    """An interaction's line."""
    plain = {name: value for name, value in row._asdict().items() if name in StoredInteraction.model_fields}
    plain |= {
        name: None if plain[name] is None else from_text(plain[name]) for name in ("payload", "result", "effects")
    }
    plain["body"] = None if row.body is None else base64.b64encode(row.body).decode()
    plain["point"] = None if row.point is None else stand(row, keyframes)
    return StoredInteraction(type="interaction", **plain)
