"""The statements of an import: a session, and many of its rows at once."""

from typing import NamedTuple

from pumice.sessions.statements import NoRow, Statement


class _Made(NamedTuple):
    id: str


INSERT = Statement(
    "import_session",
    """
insert into sessions (agent_id, id, state, base, keyframe, state_version, code_version, version, message_count,
  history_start, transcript, quiet, timezone, used, created_at)
values (%(agent)s, %(session)s, %(state)s::json, %(base)b, %(keyframe)s, %(state_version)s, %(code_version)s,
  %(point)s, %(message_count)s, %(history_start)s, %(transcript)s::json, %(quiet)s, %(timezone)s, true,
  %(created_at)s::timestamptz)
on conflict do nothing returning id
""",
    _Made,
)
"""Makes the session, as it stands at the end of the file."""

METADATA = Statement(
    "import_metadata",
    "update sessions set metadata = %(metadata)s::jsonb where agent_id = %(agent)s and id = %(session)s",
    NoRow,
)
"""Sets its metadata."""

MESSAGES = Statement(
    "import_messages",
    """
insert into messages (agent_id, session_id, seq, role, content, data, interaction_id, created_at)
select %(agent)s, %(session)s, r.seq, r.role, r.content::json, r.data::json, r.interaction, r.created_at
from json_to_recordset(%(rows)s::json) as r(seq int, role text, content text, data text, interaction uuid,
  created_at timestamptz)
""",
    NoRow,
)
"""Adds messages of its conversations."""

SNAPSHOTS = Statement(
    "import_snapshots",
    """
insert into snapshots (agent_id, session_id, name, note, interaction_id, created_at, point, keyframe, delta,
  state_version, code_version, history_start, message_count, transcript)
select %(agent)s, %(session)s, r.name, r.note, r.interaction, r.created_at, r.point, r.keyframe,
  substring(%(bytes)b::bytea from r.delta_at for r.delta_size), r.state_version, r.code_version, r.history_start,
  r.message_count, r.transcript::json
from json_to_recordset(%(rows)s::json) as r(name text, note text, interaction uuid, created_at timestamptz,
  point bigint, keyframe bigint, delta_at int, delta_size int, state_version int, code_version text,
  history_start int, message_count int, transcript text)
""",
    NoRow,
)
"""Adds snapshots."""

INTERACTIONS = Statement(
    "import_interactions",
    """
insert into interactions (id, agent_id, session_id, kind, name, payload, body, status, reason, reason_code,
  superseded_by, attempts, accepted_at, scheduled_for, started_at, finished_at, result, errors, usage, effects, point,
  keyframe, delta, state_version, code_version, history_start, message_count, transcript)
select r.id, %(agent)s, %(session)s, r.kind, r.name, r.payload::json,
  substring(%(bytes)b::bytea from r.body_at for r.body_size), r.status, r.reason, r.reason_code, r.superseded,
  r.attempts, r.accepted_at, r.scheduled_for, r.started_at, coalesce(r.finished_at, now()), r.result::json,
  r.errors::jsonb, r.usage::jsonb, r.effects::json, r.point, r.keyframe,
  substring(%(bytes)b::bytea from r.delta_at for r.delta_size), r.state_version, r.code_version, r.history_start,
  r.message_count, r.transcript::json
from json_to_recordset(%(rows)s::json) as r(place int, id uuid, kind text, name text, payload text, body_at int,
  body_size int, status text, reason text, reason_code text, superseded uuid, attempts int, accepted_at timestamptz,
  scheduled_for timestamptz, started_at timestamptz, finished_at timestamptz, result text, errors text, usage text,
  effects text, point bigint, keyframe bigint, delta_at int, delta_size int, state_version int, code_version text,
  history_start int, message_count int, transcript text)
order by r.place
""",
    NoRow,
)
"""Adds interactions, in the order of the rows."""
