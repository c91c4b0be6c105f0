"""What a turn reads when it needs it: a large request body, the newest messages."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pumice.agents.messages import Message
from pumice.sessions.claim import ClaimedSession
from pumice.sessions.connections import StoreConnection
from pumice.sessions.conversation import StoredMessage, parts_of, read_newest
from pumice.sessions.statements import Statement


class _Body(NamedTuple):
    body: bytes | None


class _Message(NamedTuple):
    role: str
    content: Any
    data: Any


BODY = Statement("load_body", "select body from interactions where id = %(id)s::uuid", _Body)
"""A large request body."""

MESSAGES = Statement(
    "load_messages",
    """
select role, content, data from (
  select seq, role, content, data from messages
  where agent_id = %(agent)s and session_id = %(session)s and seq >= %(start)s and seq < %(stop)s
  order by seq desc limit %(limit)s
) newest order by seq
""",
    _Message,
)
"""A session's newest messages, oldest first."""


def load_body(store: StoreConnection, interaction_id: str) -> bytes:
    """The body of an interaction. Raises `StoreAwayError`."""
    rows = store.fetch(BODY, {"id": interaction_id}, again=True)
    return bytes(rows[0].body or b"") if rows else b""


def load_messages(store: StoreConnection, session: ClaimedSession, limit: int) -> list[Message]:
    """The newest `limit` messages that the session had when it was claimed. Raises `StoreAwayError`."""
    return [Message(row.role, row.content, row.data) for row in _newest(store, session, limit)]


def _newest(store: StoreConnection, session: ClaimedSession, limit: int) -> Sequence[_Message | StoredMessage]:
    lease = session.lease
    if session.transcript:
        parts = parts_of(session.transcript, session.history_start, session.message_count)
        return read_newest(store, lease.agent_id, lease.session_id, parts, limit=limit)
    span = {"start": session.history_start, "stop": session.message_count, "limit": limit}
    return store.fetch(MESSAGES, {"agent": lease.agent_id, "session": lease.session_id, **span}, again=True)
