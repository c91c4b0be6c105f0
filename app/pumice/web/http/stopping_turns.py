"""Ending what runs in a session, for an operator's cancel and for a page's stop button."""

from pumice.errors import UnknownSession
from pumice.messaging.wakes import Wake
from pumice.sessions.cancel import cancel
from pumice.web.http.front import Front


def stop_turns(front: Front, agent_id: str, session_id: str, *, queued: bool = False) -> list[str]:
    """Cancel the turn that runs in a session and, if `queued`, what waits there; whoever waits for them is told.

    Returns the ids of what was cancelled. Raises `UnknownSession`, `StoreAwayError`.
    """
    with front.connections.borrow() as store:
        done = None if "\x00" in session_id else cancel(store, agent_id, session_id, queued=queued)
    if done is None:
        raise UnknownSession
    front.intake.tell_finished(agent_id, session_id, done.interactions)
    if done.token is not None:
        front.intake.order({"cancel": [agent_id, session_id], "token": done.token})
    if done.waiting is not None:
        front.intake.wake([Wake.of(agent_id, session_id, done.waiting)])
    return [one.id for one, _ in done.interactions]
