"""One process's loop of HTTP/1.1 requests on keep-alive connections; it parses no more than status and length."""

import json
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Address: TypeAlias = tuple[str, int]

LOST = 0
"""Counted as the status of a request whose connection broke, or stayed silent, before its answer was whole."""

SILENCE = 60.0
"""Seconds without any answer after which what is still open counts as lost."""


@dataclass(frozen=True)
class Load:
    """What to send: `rate` is in requests per second over all connections, None for as fast as answers come."""

    address: Address
    requests: Sequence[bytes]
    connections: int
    rate: float | None = None
    keep_bodies: bool = False


@dataclass
class Outcome:
    """What came back: latencies and duration in seconds, start and end on the monotonic clock that processes share.

    `cpu` is what sending and reading took, in seconds of all processes, and `busiest` the part of the busiest of them.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    started: float = 0.0
    finished: float = 0.0
    cpu: float = 0.0
    busiest: float = 0.0

    @property
    def seconds(self) -> float:
        """The time from the first request to the last answer."""
        return self.finished - self.started

    @property
    def succeeded(self) -> int:
        """The number of answers with a 2xx status."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)


def post(path: str, body: Any, headers: Sequence[str] = ()) -> bytes:
    """Return the bytes of a JSON POST."""
    payload = json.dumps(body, separators=(",", ":")).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: bench",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def drive(load: Load) -> Outcome:
    """Send every request of `load`, at most one at a time on each connection, and wait for every answer."""
    cpu = time.process_time()
    loop = _Loop(load)
    outcome = loop.run()
    outcome.cpu = outcome.busiest = time.process_time() - cpu
    return outcome


def reply_size(buffer: bytes) -> int | None:
    """Return the bytes that the answer at the start of `buffer` takes, None while its head is incomplete.

    Raises ValueError for an answer without Content-Length, which the loader does not read.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = buffer[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        if head[9:12] in (b"204", b"304"):
            return end + 4
        raise ValueError(f"no Content-Length in {head!r}")
    line_end = head.find(b"\r\n", at + 2)
    length = head[at + 17 : line_end if line_end >= 0 else end]
    return end + 4 + int(length)


class _Line:
    """One connection with at most one request under way."""

    __slots__ = ("buffer", "sent_at", "sock")

    def __init__(self, address: Address) -> None:
        self.buffer = b""
        self.sent_at = 0.0
        self.sock = socket.create_connection(address, timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Loop:
    """The epoll loop: sockets block, but are read only when readable and written only when idle."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.outcome = Outcome()
        self.poll = select.epoll()
        self.lines: dict[int, _Line] = {}
        self.idle: list[_Line] = []
        self.next = 0
        for _ in range(min(load.connections, len(load.requests))):
            self._connect()

    def run(self) -> Outcome:
        """Send and receive until every request has an answer or a broken connection."""
        outcome, open_requests = self.outcome, len(self.load.requests)
        outcome.started = outcome.finished = time.monotonic()
        while open_requests:
            self._send_due()
            patience = self._patience()
            events = self.poll.poll(patience)
            if not events and patience == SILENCE:
                outcome.statuses[LOST] += open_requests
                break
            for fd, _ in events:
                open_requests -= self._receive(self.lines[fd])
        self._close()
        return outcome

    def _connect(self) -> None:
        line = _Line(self.load.address)
        self.lines[line.sock.fileno()] = line
        self.poll.register(line.sock, select.EPOLLIN)
        self.idle.append(line)

    def _send_due(self) -> None:
        requests, rate = self.load.requests, self.load.rate
        now = time.monotonic()
        while self.idle and self.next < len(requests):
            if rate is not None and self.outcome.started + self.next / rate > now:
                return
            line = self.idle.pop()
            line.sent_at = now = time.monotonic()
            line.sock.sendall(requests[self.next])
            self.next += 1

    def _patience(self) -> float:
        """Return the seconds until the next request is due."""
        if self.load.rate is None or not self.idle or self.next >= len(self.load.requests):
            return SILENCE
        return max(0.0, self.outcome.started + self.next / self.load.rate - time.monotonic())

    def _receive(self, line: _Line) -> int:
        """Read what has come on `line`; return 1 when that ended a request."""
        try:
            data = line.sock.recv(262_144)
        except OSError:
            data = b""
        if not data:
            return self._reconnect(line)
        line.buffer += data
        size = reply_size(line.buffer)
        if size is None or len(line.buffer) < size:
            return 0
        self._count(line, int(line.buffer[9:12]))
        if self.load.keep_bodies:
            self.outcome.bodies.append(line.buffer.partition(b"\r\n\r\n")[2])
        line.buffer = b""
        line.sent_at = 0.0
        self.idle.append(line)
        return 1

    def _reconnect(self, line: _Line) -> int:
        """Replace a connection that the server closed; return 1 when a request was lost with it."""
        lost = line.sent_at > 0
        if lost:
            self._count(line, LOST)
        else:
            self.idle.remove(line)
        del self.lines[line.sock.fileno()]
        line.sock.close()
        self._connect()
        return int(lost)

    def _count(self, line: _Line, status: int) -> None:
        now = time.monotonic()
        self.outcome.statuses[status] += 1
        self.outcome.latencies.append(now - line.sent_at)
        self.outcome.finished = now

    def _close(self) -> None:
        self.poll.close()
        for line in self.lines.values():
            line.sock.close()
