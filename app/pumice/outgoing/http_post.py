"""One POST to an address that was checked: HTTP/1.1 on asyncio, with the host's certificate, bounded in all it reads.

No library's client is used: each resolves the host itself, and follows what the answer says.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pumice.errors import PumiceError
from pumice.outgoing.addresses import Info, Target

CONNECTING = 5.0
"""Seconds for one of a host's addresses, before the next is tried."""
LONGEST_HEAD = 16_384
LARGEST_ANSWER = 1_024
"""Bytes of an answer's body that are read."""
LINGER = 1.0
"""Seconds that are waited for the body of an answer whose status is known."""
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\Z")
MOST_INTERIM = 5
SUCCESS = range(200, 300)
"""Statuses of which nothing more is read; those below it come before the answer."""


class NoAnswerError(PumiceError):
    """There was no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An endpoint's answer. Names of headers are in lower case. `body` is the beginning of it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def post(
    target: Target, addresses: Sequence[Info], headers: Mapping[str, str], body: bytes, context: ssl.SSLContext
) -> Answer:
    """Post the body. Raises `NoAnswerError`, with what went wrong. The caller bounds the time."""
    try:
        connection = await _connect(addresses)
        if target.scheme == "https":
            reader, writer = await asyncio.open_connection(
                sock=connection,
                limit=LONGEST_HEAD,
                ssl=context,
                server_hostname=target.host,
                ssl_shutdown_timeout=LINGER,
            )
        else:
            reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_HEAD)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswerError(f"its certificate is not valid: {error.verify_message}") from None
    except OSError as error:
        raise NoAnswerError(f"no connection: {error.strerror or type(error).__name__}") from None
    is_over = False
    try:
        writer.write(_request(target, headers, body))
        with suppress(ConnectionError):  # it may have answered without reading all of it
            await writer.drain()
        answer = await _read(reader)
        is_over = True
    except asyncio.LimitOverrunError:
        raise NoAnswerError(f"the head of its answer is longer than {LONGEST_HEAD} bytes") from None
    except (OSError, EOFError) as error:
        raise NoAnswerError(f"it closed the connection without an answer: {type(error).__name__}") from None
    else:
        return answer
    finally:
        if is_over:
            writer.close()
        else:
            writer.transport.abort()


async def _connect(addresses: Sequence[Info]) -> socket.socket:
    """A connection to the first of the addresses that takes one. Raises `OSError`."""
    problem: OSError = OSError("it has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECTING if len(addresses) > 1 else None):
                await asyncio.get_running_loop().sock_connect(connection, address)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            problem = error
        else:
            return connection
    raise problem


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    own = {"host": target.netloc, "content-length": str(len(body)), "connection": "close"}
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in (own | dict(headers)).items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _read(reader: asyncio.StreamReader) -> Answer:
    for _ in range(MOST_INTERIM):
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        if status in SUCCESS:
            return Answer(status, headers)
        if status >= SUCCESS.stop:
            return Answer(status, headers, await _body(reader, headers))
    raise NoAnswerError("it gave interim answers only")


def _head(text: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = text[:-4].split(b"\r\n")
    found = STATUS.match(first)
    if found is None:
        raise NoAnswerError("its answer is not HTTP/1.1")
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    return int(found[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """The beginning of the body, as far as it comes soon."""
    length = headers.get("content-length", "")
    most = min(int(length[:9]), LARGEST_ANSWER) if length.isascii() and length.isdigit() else LARGEST_ANSWER
    found = b""
    with suppress(OSError):
        async with asyncio.timeout(LINGER):
            while len(found) < most and (piece := await reader.read(most - len(found))):
                found += piece
    return found
