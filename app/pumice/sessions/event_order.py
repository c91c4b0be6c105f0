"""Order by the event's own time: what comes after a newer event of its session and hook is marked as stale.

The newest time of each hook stands in its session. It is noted under a lock that is held until the delivery is
accepted, so that the order of these times is the order in which the turns run.
"""

from dataclasses import replace
from typing import NamedTuple

from pumice.agents.json_text import dumps, loads
from pumice.sessions.accept import Accepted, NewInteraction, accept, ensure_session
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement


class _Newest(NamedTuple):
    newest: float


NOTE = Statement(
    "note_event_time",
    """
update sessions set hook_times = coalesce(hook_times, '{}') || jsonb_build_object(%(hook)s::text,
  greatest((hook_times ->> %(hook)s)::float8, %(at)s::float8))
where agent_id = %(agent)s and id = %(session)s
returning (hook_times ->> %(hook)s)::float8 as newest
""",
    _Newest,
)
"""Notes the time of an event, in seconds since 1970, and tells the newest."""


def accept_in_order(store: StoreConnection, wanted: NewInteraction, *, temporary_ttl: float, window: float) -> Accepted:
    """Accept a delivery, marked as stale if a newer event of its hook was accepted in its session before.

    Raises `StoreAwayError`, and psycopg's `LockNotAvailable`.
    """
    with store.transaction():
        ttl = temporary_ttl if wanted.temporary else None
        ensure_session(store, wanted.agent_id, wanted.session_id, temporary_ttl=ttl)
        hook = (wanted.name or "").partition(":")[0]
        key = {"agent": wanted.agent_id, "session": wanted.session_id, "hook": hook, "at": wanted.event_at}
        noted = store.fetch(NOTE, key)
        if noted and wanted.event_at is not None and noted[0].newest > wanted.event_at:
            wanted = replace(wanted, payload=dumps(loads(wanted.payload) | {"stale": True}).decode())
        return accept(store, [wanted], temporary_ttl=temporary_ttl, window=window)[0]
