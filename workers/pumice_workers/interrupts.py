"""Ending a running chat for a newer one, keeping what it streamed.

An async turn is cancelled; a sync one ends at its next chunk, or runs to its end if it does not stream; one that has
not begun does not begin.
"""

from pumice.agents.json_text import loads
from pumice.agents.messages import Message
from pumice.agents.turn import Outcome, Work
from pumice_workers.session_run import SessionRun


def interrupted(run: SessionRun, work: Work) -> Outcome:
    """The outcome of an interrupted chat: what was said and what was streamed is kept, the state is not."""
    run.live.discard()
    partial = "".join(run.live.turn.partial) if run.live.turn else ""
    payload = loads(work.payload)
    messages = [Message.encoded(one) for one in payload["messages"]]
    if partial:
        messages.append(Message("assistant", partial, {"interrupted": True}))
    replaces = payload.get("history") == "replace"
    return Outcome(work, "cancelled", messages=messages, replaces_history=replaces, superseded_by=run.interrupted_by)
