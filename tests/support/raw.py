"""Requests as bytes on a connection, for what no HTTP client would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 40.0


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to a front."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=TIMEOUT) as connection:
        yield connection


def head(method: str, target: str, **headers: object) -> bytes:
    """A request's line and headers; header names are given with underscores."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {"host": "example.org", **headers}.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def exchange(url: str, data: bytes) -> bytes:
    """All that a front answers to these bytes, until it closes."""
    with connected(url) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        return answered(connection)


def answered(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    got = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65_536):
            got += piece
    return got


def problem_of(answer: bytes) -> tuple[int, str, dict[str, str]]:
    """Status, kind of problem and headers of an answer, which must be a problem."""
    first, _, body = answer.partition(b"\r\n\r\n")
    lines = first.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    assert headers.get("content-type") == "application/problem+json", answer[:500]
    document: dict[str, Any] = json.loads(body[: int(headers["content-length"])])
    assert document["status"] == int(lines[0].split(" ")[1])
    return document["status"], document["type"].removeprefix("urn:pumice:problem:"), headers
