"""Whether a session is there."""

from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement


class _Existing(NamedTuple):
    exists: bool


EXISTS = Statement(
    "session_exists",
    "select exists (select from sessions where agent_id = %(agent)s and id = %(session)s) as exists",
    _Existing,
)
"""Says whether there is a session of this id; reads its index only."""


def session_exists(store: StoreConnection, agent_id: str, session_id: str) -> bool:
    """Whether the agent has a session of this id. Raises `StoreAwayError`."""
    return store.fetch(EXISTS, {"agent": agent_id, "session": session_id}, again=True)[0].exists
