"""Server-sent events: a chat as it runs, a chat that its client comes back to, or all that a session does."""

from flask import Response

from pumice.agents.context import is_uuid
from pumice.agents.spec import AgentSpec
from pumice.messaging.events import stream_key
from pumice.messaging.said import interaction_of
from pumice.sessions.accept import NewInteraction
from pumice.sessions.models import InteractionRow
from pumice.sessions.queries import get_interaction
from pumice.web.http.cursors import Cursor, own_id
from pumice.web.http.event_log import UnusableCursorError
from pumice.web.http.front import Front
from pumice.web.http.tokens import Grant
from pumice.web.streams.frames import frame, stream_response
from pumice.web.streams.interaction_stream import InteractionStream
from pumice.web.streams.opened import OpenStream
from pumice.web.streams.session_stream import session_frames


def stream_chat(front: Front, spec: AgentSpec, wanted: NewInteraction, key: str, grant: Grant) -> Response:
    """Accept a chat and stream its events until it is finished."""
    opened = OpenStream(front, wanted.agent_id, wanted.session_id)
    try:
        waiter = opened.expect(wanted.id)
        accepted = front.intake.accept(spec, wanted)
        if accepted.duplicate:
            waiter = opened.expect(accepted.id, eager=True)
        opened.session_id = accepted.session_id
        opened.allowed_by(key, grant)
        frames = InteractionStream(opened, waiter).frames()
        return stream_response(front, frames, opened.close, {"Location": f"/v1/interactions/{accepted.id}"})
    except BaseException:
        opened.close()
        raise


def resume_chat(
    front: Front, spec: AgentSpec, cursor: Cursor, session_id: str | None, key: str, grant: Grant
) -> Response:
    """Go on with the chat that an event id belongs to, and end with it. Runs nothing, whatever the id says.

    session_id: the session that the request names, which has to be the chat's.
    """
    row = _chat_of(front, spec, cursor, session_id)
    if row is None or row.session_id != (grant.session_id or row.session_id):
        return stream_response(front, [_unusable(cursor)], lambda: None)
    opened = OpenStream(front, spec.id, row.session_id)
    try:
        opened.allowed_by(key, grant)
        frames = InteractionStream(opened, opened.expect(str(row.id), eager=True), cursor).frames()
        return stream_response(front, frames, opened.close, {"Location": f"/v1/interactions/{row.id}"})
    except BaseException:
        opened.close()
        raise


def stream_session(
    front: Front, spec: AgentSpec, session_id: str, cursor: Cursor | None, key: str, grant: Grant
) -> Response:
    """Stream a session's events; first what was missed after the cursor, if one came."""
    opened = OpenStream(front, spec.id, session_id)
    try:
        opened.allowed_by(key, grant)
        return stream_response(front, session_frames(opened, cursor), opened.close)
    except BaseException:
        opened.close()
        raise


def _chat_of(front: Front, spec: AgentSpec, cursor: Cursor, session_id: str | None) -> InteractionRow | None:
    """The interaction that a cursor belongs to, if it is one of the session that the request names.

    An id that a socket or a session's stream gave does not say it; the event does, as long as it is kept.
    """
    found = cursor.interaction_id
    if found is None and cursor.position is not None and session_id is not None:
        event = front.subscriber.events.event_at(stream_key(spec.id, session_id), cursor.position)
        found = None if event is None else interaction_of(event)
    row = get_interaction(front.engine, found, spec.id) if found is not None and is_uuid(found) else None
    return row if row is not None and session_id in {None, row.session_id} else None


def _unusable(cursor: Cursor) -> bytes:
    document = {"type": "error", "error": UnusableCursorError().document()}
    return frame(own_id(cursor.position or "0-0", 1), "error", document)
