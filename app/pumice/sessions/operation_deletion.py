"""Deleting a session as part of an operation. A long one takes several transactions.

The condition is asked in the first, which hides the session. From then on it has to be deleted to its end, by whichever
worker, even if the operation is stopped: the operation's row says so.
"""

from pumice.agents.conditions import Condition
from pumice.sessions.deletion import delete_some
from pumice.sessions.operation_actions import Did, Tell
from pumice.sessions.operation_check import Check
from pumice.sessions.operation_rows import DONE, SKIPPED, Progress


def delete(progress: Progress, check: Check, session_id: str, tell: Tell) -> bool:
    """Delete a session for which the condition holds, or begin to. Returns whether that is over.

    Raises `OvertakenError`, psycopg's `LockNotAvailable`, `StoreAwayError`: then nothing was done.
    """
    agent_id = progress.one.agent_id
    with progress.store.transaction() as transaction:
        deleted = delete_some(transaction, agent_id, session_id) if check.holds(transaction, session_id) else None
        if deleted is None:
            progress.advance(session_id, SKIPPED)
            return True
        if deleted.over:
            progress.advance(session_id, DONE)
        else:
            progress.note_begun(session_id)
    tell(agent_id, session_id, Did(deleted.interactions))
    return deleted.over


def go_on_deleting(progress: Progress, session_id: str, tell: Tell) -> None:
    """Delete what is left of a session with which `delete` began.

    Raises psycopg's `LockNotAvailable`, `StoreAwayError`; then it has to be called again.
    """
    one = progress.one
    same = Check(one.agent_id, Condition(()), one.created_at)  # and no later one of its name
    over = False
    while not over:
        progress.beat()
        with progress.store.transaction() as transaction:
            is_there = same.holds(transaction, session_id)
            deleted = delete_some(transaction, one.agent_id, session_id) if is_there else None
            over = deleted is None or deleted.over
            if over:
                progress.end_begun(session_id)
        if deleted is not None:
            tell(one.agent_id, session_id, Did(deleted.interactions))
