"""The messages of a conversation that may begin in other sessions: those that this one is a fork of.

A conversation is parts, oldest first: `(line, from, to)`, the messages of a line from one seq up to another. Line 0 is
the session itself. The seqs ascend over all of them, so that one number says where a reader stands.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import Statement

Part: TypeAlias = Sequence[int]
OWN = 0
"""The line of a part that is the session's own."""


class StoredMessage(NamedTuple):
    """A message as it is stored."""

    seq: int
    role: str
    content: Any
    data: Any
    interaction_id: Any
    created_at: datetime


READ = Statement(
    "read_conversation",
    """
select m.* from json_to_recordset(%(parts)s::json) as p(line bigint, first int, stop int)
cross join lateral (select case when p.line = 0 then %(session)s else
  (select a.id from sessions a where a.line = p.line) end as id offset 0) s
cross join lateral (
  select m.seq, m.role, m.content, m.data, m.interaction_id, m.created_at from messages m
  where m.agent_id = %(agent)s and m.session_id = s.id and m.seq >= greatest(p.first, %(after)s + 1) and m.seq < p.stop
  order by m.seq limit %(limit)s
) m order by m.seq limit %(limit)s
""",
    StoredMessage,
)
"""A page of a conversation, oldest first."""

NEWEST = Statement(
    "read_newest_of_conversation",
    """
select * from (
  select m.* from json_to_recordset(%(parts)s::json) as p(line bigint, first int, stop int)
  cross join lateral (select case when p.line = 0 then %(session)s else
    (select a.id from sessions a where a.line = p.line) end as id offset 0) s
  cross join lateral (
    select m.seq, m.role, m.content, m.data, m.interaction_id, m.created_at from messages m
    where m.agent_id = %(agent)s and m.session_id = s.id and m.seq >= p.first and m.seq < p.stop
    order by m.seq desc limit %(limit)s
  ) m order by m.seq desc limit %(limit)s
) newest order by seq
""",
    StoredMessage,
)
"""The newest messages of a conversation, oldest first."""


def parts_of(transcript: Sequence[Part] | None, history_start: int, message_count: int) -> list[Part]:
    """The parts of a conversation, its own messages last."""
    return [*(transcript or ()), (OWN, history_start, message_count)]


def length(parts: Sequence[Part]) -> int:
    """How many messages the parts have."""
    return sum(stop - first for _, first, stop in parts)


def inherited(parts: Sequence[Part], line: int) -> list[list[int]]:
    """The parts as those of a session that continues them, in which line 0 is another: this one's line."""
    return [[line if own == OWN else own, first, stop] for own, first, stop in parts if stop > first]


def read_after(
    store: StoreConnection, agent_id: str, session_id: str, parts: Sequence[Part], *, after: int = -1, limit: int
) -> list[StoredMessage]:
    """Messages after a seq, oldest first. Raises `StoreAwayError`."""
    return store.fetch(READ, {**_options(agent_id, session_id, parts, limit), "after": after}, again=True)


def read_newest(
    store: StoreConnection, agent_id: str, session_id: str, parts: Sequence[Part], *, limit: int
) -> list[StoredMessage]:
    """The newest messages, oldest first. Raises `StoreAwayError`."""
    return store.fetch(NEWEST, _options(agent_id, session_id, parts, limit), again=True)


def _options(agent_id: str, session_id: str, parts: Sequence[Part], limit: int) -> dict[str, Any]:
    rows = [{"line": line, "first": first, "stop": stop} for line, first, stop in parts if stop > first]
    return {"parts": json_rows(rows), "agent": agent_id, "session": session_id, "limit": limit}
