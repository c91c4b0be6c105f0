"""Every error leaves as `application/problem+json`, and nothing of our insides with it."""

import math
from typing import Any

from flask import Flask, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch

from pumice.agents.failures import failure_of
from pumice.agents.json_text import dumps
from pumice.errors import (
    Internal,
    InvalidField,
    Malformed,
    MethodNotAllowed,
    Problem,
    SerializationError,
    StoreAway,
    StoreAwayError,
    StoreBusy,
    StoreBusyError,
    TooLarge,
    UnknownRoute,
    UnsupportedMedia,
)
from pumice.logs import Outage, get_logger
from pumice.sessions.away import BUSY, TOO_LARGE, is_away

BY_STATUS: dict[int, type[Problem]] = {
    404: UnknownRoute,
    405: MethodNotAllowed,
    413: TooLarge,
    415: UnsupportedMedia,
}

log = get_logger("pumice.web")


def problem_response(problem: Problem) -> Response:
    """The response for a problem."""
    response = Response(dumps(problem.document()), problem.status, mimetype="application/problem+json")
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(max(math.ceil(problem.retry_after), 1))
    if problem.status == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = 'ApiKey header="x-api-key"'
    if problem.status == 426:  # noqa: PLR2004
        response.headers["Sec-WebSocket-Version"] = "13"
    return response


def as_problem(error: BaseException) -> Problem:
    """Any error as a problem; what we did not foresee is logged and becomes a bare 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, WebsocketMismatch):
        return UnknownRoute("Over plain HTTP there is nothing at this address; WebSockets are served under /v1.")
    if isinstance(error, HTTPException):
        kind = BY_STATUS.get(error.code or 500, Malformed if (error.code or 500) < 500 else Internal)  # noqa: PLR2004
        return kind() if kind in {UnknownRoute, MethodNotAllowed, TooLarge} else kind(error.description)
    if isinstance(error, SerializationError):  # nested deeper than JSON is written
        return InvalidField(error.field, str(error))
    if (problem := _store_problem(error)) is not None:
        return problem
    if isinstance(error, UnicodeEncodeError):
        return InvalidField("request", "holds text that is not valid Unicode")
    log.error("request_failed", exc_info=error)
    return Internal()


def _store_problem(error: BaseException) -> Problem | None:
    """The problem when the store is away or busy, or can't hold what was sent; None for any other error."""
    if isinstance(error, (StoreBusyError, *BUSY)):
        return StoreBusy(retry_after=2)
    if isinstance(error, StoreAwayError):
        return StoreAway(retry_after=2)
    if isinstance(error, PoolTimeoutError):
        return StoreBusy("All connections to Postgres are in use.", retry_after=2)
    if isinstance(error, TOO_LARGE):
        return InvalidField("request", "holds a value that is too large to be stored, or for an index on its field")
    if not isinstance(error, DBAPIError):
        return None
    if error.connection_invalidated or is_away(error.orig):
        return StoreAway(retry_after=2)
    return None if error.orig is None else _store_problem(error.orig)


def _log_cause(problem: Problem, cause: BaseException, *, told: bool) -> None:
    """Log what went wrong in a selector or a check that the front ran; what it says only if it is to be told."""
    failure = failure_of(cause)
    fields = {"problem": problem.slug, "error": failure.type, "at": failure.where}
    log.warning("author_code_failed", **fields, **({"traceback": failure.own_traceback} if told else {}))


def register_problems(app: Flask, store_away: Outage, *, told: bool = False) -> None:
    """Answer every error of this Flask app with a problem.

    store_away: told of each request that is refused because Postgres is away. told: what authors' code raised is
    logged whole.
    """

    @app.errorhandler(Exception)
    def _answer(error: Exception) -> Any:
        if isinstance(error, Problem) and error.__cause__ is not None:
            _log_cause(error, error.__cause__, told=told)
        if isinstance(error, HTTPException) and error.code is not None and error.code < 400:  # noqa: PLR2004
            return error
        problem = as_problem(error)
        if isinstance(problem, StoreAway):
            store_away.begins(error=problem)
        return problem_response(problem)
