"""`GET …/sessions/<id>/export` and `POST …/sessions/import`: a session as a file, written and read."""

import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from typing import BinaryIO
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from pumice.agents.names import checked_session_id, is_temporary_id
from pumice.agents.redaction import redaction_of
from pumice.errors import InvalidField, Malformed, Overloaded, UnsupportedMedia
from pumice.sessions.connections import StoreConnection
from pumice.sessions.exporting import Export
from pumice.sessions.importing import import_file
from pumice.web.api import sessions as session_routes
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised
from pumice.web.http.request_fields import either, given_point
from pumice.web.http.responses import json_response

NDJSON = "application/x-ndjson"
TAKEN = {"", NDJSON, "application/jsonl", "application/octet-stream"}
PIECE = 65_536
IMPORTS = 2
"""How many files a front imports at once."""


def export_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("export", __name__, url_prefix="/v1/agents/<agent_id>/sessions")
    places = threading.BoundedSemaphore(IMPORTS)

    @blueprint.get("/<session_id>/export")
    def export(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        at = given_point(request, "at")
        found = Export(front.connections.borrow, spec.id, session_id, at, redaction_of(spec.cls))
        lines = found.lines_or_error()
        first = next(lines)
        name = quote(f"{session_id}.jsonl", safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(_pieces(chain([first], lines)), headers=headers, mimetype=NDJSON)

    @blueprint.post("/import")
    def import_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        wanted = _wanted_id()
        if request.headers.get("content-encoding", "identity") != "identity" or request.mimetype not in TAKEN:
            raise UnsupportedMedia(f"The body must be an exported session: {NDJSON}, without a content encoding.")
        with _place(places), tempfile.TemporaryFile() as file:
            _spool(request.environ, file, front.settings.import_limit)
            with closing(StoreConnection(front.settings)) as store:  # one of its own: others wait for those of requests
                session_id = import_file(store, spec.id, wanted, _Yielding(file), cls=spec.cls).session_id
        location = {"Location": f"/v1/agents/{spec.id}/sessions/{quote(session_id, safe='')}"}
        return json_response(session_routes.read_session(front, spec, session_id), 201, location)

    return blueprint


def _wanted_id() -> str | None:
    given = either(request.args, "sessionId", "session_id")
    if given is None:
        return None
    session_id = checked_session_id(given)
    if is_temporary_id(session_id):
        raise InvalidField("sessionId", "is a temporary session's")
    return session_id


@contextmanager
def _place(places: threading.BoundedSemaphore) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise Overloaded("Other files are being imported; nothing was imported.", retry_after=2)
    try:
        yield
    finally:
        places.release()


def _spool(environ: dict[str, object], file: BinaryIO, limit: int) -> None:
    """Write the body to a file as it comes, and go to its beginning. Raises `Malformed`, and 413."""
    source: BinaryIO = environ["wsgi.input"]  # type: ignore[assignment]
    given = str(environ.get("CONTENT_LENGTH") or "")
    length = int(given) if given.isdecimal() else None
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    taken = 0
    while piece := source.read(PIECE if length is None else min(PIECE, length - taken)):
        taken += len(piece)
        if taken > limit:
            raise RequestEntityTooLarge
        file.write(piece)
    if length is not None and taken < length:
        raise Malformed("the body ended before its length")
    file.seek(0)


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in pieces worth sending. Between two lines others have their turn."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
        time.sleep(0)
    yield b"".join(waiting)


class _Yielding:
    """A file whose lines are read one by one; between two of them others have their turn."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readline(self, size: int, /) -> bytes:
        """The next line, or as much of it as `size` bytes."""
        time.sleep(0)
        return self._file.readline(size)
