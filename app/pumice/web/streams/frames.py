"""Server-sent events as bytes (WHATWG HTML, "Server-sent events"), and the response that sends them."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response, request

from pumice.agents.json_text import dumps
from pumice.web.http.front import Front

PING = b": ping\n\n"


def frame(event_id: str, kind: str, event: dict[str, Any]) -> bytes:
    """One event, which holds its id as well."""
    data = dumps({"eventId": event_id, **event})
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event_id.encode(), kind.encode(), data)


def stream_response(
    front: Front, frames: Iterable[bytes], close: Callable[[], None], headers: dict[str, str] | None = None
) -> Response:
    """The response that sends these frames. `close` is called at its end, also when none was ever sent."""
    sock = request.environ.get("gunicorn.socket")
    response = Response(
        front.writes.timed(sock, frames),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})},
    )
    response.call_on_close(close)
    return response


def asks_for_stream() -> bool:
    """Whether the request's client wants server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "")


def given_cursor() -> str | None:
    """The id of the event that the client saw last: the header, which EventSource sends, or the address."""
    query = request.args
    return request.headers.get("last-event-id") or query.get("lastEventId") or query.get("last_event_id")
