"""Sends bad requests to a front and judges what comes back."""

import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tests.attacks.spoil import spoil
from tests.attacks.template import Template

PATIENCE = 40.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""
HEALTH_EVERY = 50
LONGEST = 1_000_000


@dataclass
class Verdicts:
    """What came of the attacks: how many ended how, and which were answered as they must not be."""

    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def attack(url: str, templates: list[Template], count: int, seed: int, threads: int = 8) -> Verdicts:
    """Send `count` bad requests. The same seed and templates make the same ones, in any number of threads."""
    verdicts, numbers, lock = Verdicts(), iter(range(count)), threading.Lock()

    def run() -> None:
        while (number := _next(numbers, lock)) is not None:
            data, resets = made(templates, seed, number)
            outcome, complaint = _judged(url, data, resets=resets)
            if number % HEALTH_EVERY == 0 and not _healthy(url):
                complaint = complaint or "the front was not healthy afterwards"
            with lock:
                verdicts.seen[outcome] += 1
                if complaint:
                    verdicts.wrong.append(f"number {number}: {complaint}: {data[:300]!r}")

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return verdicts


def made(templates: list[Template], seed: int, number: int) -> tuple[bytes, bool]:
    """The bad request of this number, and whether its connection is reset rather than closed."""
    chance = Random(f"{seed}:{number}")  # noqa: S311 (no secret: the same each time)
    return spoil(chance, chance.choice(templates)), chance.random() < 0.02


def _next(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(numbers, None)


def _judged(url: str, data: bytes, *, resets: bool) -> tuple[str, str | None]:
    """How it ended, and what was wrong with that."""
    try:
        answer = _exchange(url, data, resets=resets)
    except TimeoutError:
        return "no answer", "no answer came"
    except ConnectionError:
        return "reset", None
    if not answer:
        return "closed", None
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if not parts[0].startswith("HTTP/1.") or len(parts) < 2:
        return "no HTTP", f"answered {answer[:100]!r}"
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return parts[1], _complaint(int(parts[1]), headers, body, is_head=data.startswith(b"HEAD"))


def _complaint(status: int, headers: dict[str, str], body: bytes, *, is_head: bool) -> str | None:
    if status >= 500 and not (status == 503 and "retry-after" in headers):
        return f"answered {status} {body[:300]!r}"
    if status < 400:
        return None
    if headers.get("content-type") != "application/problem+json":
        return f"{status} of type {headers.get('content-type')}"
    if is_head:
        return None
    document: Any = None
    with contextlib.suppress(ValueError):
        document = json.loads(body)
    if not isinstance(document, dict) or not str(document.get("type")).startswith("urn:pumice:problem:"):
        return f"{status} without a problem: {body[:200]!r}"
    return None


def _exchange(url: str, data: bytes, *, resets: bool) -> bytes:
    """The first answer to what was sent: its head, and of an error all of it."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE) as connection:
        if resets:
            connection.sendall(data[: len(data) // 2 + 1])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        return _answer(connection)


def _answer(connection: socket.socket) -> bytes:
    """Reads one response, skipping `100 Continue`."""
    got = b""
    while len(got) < LONGEST:
        piece = connection.recv(65_536)
        got += piece
        while got.startswith(b"HTTP/1.1 100") and b"\r\n\r\n" in got:
            got = got.partition(b"\r\n\r\n")[2]
        if not piece or _is_whole(got):
            break
    head, end, body = got.partition(b"\r\n\r\n")
    length = _length(head)
    return head + end + (body if length is None else body[:length])


def _is_whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return False
    if head[9:10] in {b"1", b"2", b"3"}:
        return True
    length = _length(head)
    return length is not None and len(body) >= length


def _length(head: bytes) -> int | None:
    found = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(found[0]) if found else None


def _healthy(url: str) -> bool:
    address = urlsplit(url)
    asked = Template("GET", "/healthz", (("Host", address.netloc),)).encode()
    return _exchange(url, asked, resets=False).startswith(b"HTTP/1.1 200")
