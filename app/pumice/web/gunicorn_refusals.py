"""What gunicorn refuses before the app sees it, as problems and as bytes. Nothing of the request is echoed."""

import math
from http import HTTPStatus

import orjson
from gunicorn.http import errors

from pumice.errors import AddressTooLong, HeadersTooLarge, Internal, Malformed, Problem
from pumice.logs import get_logger

EXPLAINED: tuple[tuple[type[Exception], str], ...] = (
    (errors.InvalidRequestLine, "the request line is not valid"),
    (errors.InvalidRequestMethod, "the method is not valid"),
    (errors.InvalidHTTPVersion, "the HTTP version is not one that is spoken here"),
    (errors.ExpectationFailed, "the header Expect asks for what can't be done"),
    (errors.UnsupportedTransferCoding, "the transfer coding is not supported"),
    (errors.ObsoleteFolding, "a header must stand on one line"),
    (errors.InvalidHeaderName, "a header's name is not valid"),
    (errors.InvalidHeader, "a header is not valid, or contradicts another"),
    (errors.InvalidChunkSize, "a chunk's size is not valid"),
    (errors.InvalidChunkExtension, "a chunk's extension is not valid"),
    (errors.ChunkMissingTerminator, "a chunk does not end where its size says"),
    (errors.InvalidSchemeHeaders, "the headers contradict each other"),
)
BROKEN_BY_APP: tuple[type[Exception], ...] = (
    errors.InvalidResponseHeader,  # type: ignore[attr-defined]
    errors.InvalidResponseHeaderName,  # type: ignore[attr-defined]
    errors.ConfigurationProblem,
)

log = get_logger("pumice.web")


def refusal(error: BaseException) -> Problem:
    """An error of gunicorn's parser, or of whatever it ran, as a problem; what nobody foresaw is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.LimitRequestLine):
        return AddressTooLong()
    if isinstance(error, errors.LimitRequestHeaders):
        return HeadersTooLarge()
    if isinstance(error, errors.ParseException) and not isinstance(error, BROKEN_BY_APP):
        what = next((text for kind, text in EXPLAINED if isinstance(error, kind)), "it is not valid HTTP")
        log.debug("request_refused", why=what)
        return Malformed(f"The request can't be parsed: {what}.")
    log.error("request_failed", exc_info=error)
    return Internal()


def written(problem: Problem) -> bytes:
    """A whole response with this problem, after which the connection ends."""
    body = orjson.dumps(problem.document())
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
    ]
    if problem.retry_after is not None:
        lines.append(f"Retry-After: {max(math.ceil(problem.retry_after), 1)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
