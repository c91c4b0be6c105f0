"""Many WebSockets of one process: opened together, then written to and read from in one epoll loop."""

import json
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.bench.loader.http import Address

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
HANDSHAKES_AT_ONCE = 200


def handshake(path: str) -> bytes:
    """Return the request that opens a WebSocket on `path`."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: bench",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return one masked frame, as a client must send it (RFC 6455, section 5)."""
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def take_frame(buffer: bytes) -> tuple[int, bytes, bytes] | None:
    """Return opcode, payload and rest of an unmasked frame at the start of `buffer`, None while it is incomplete."""
    if len(buffer) < 2:
        return None
    size, start = buffer[1] & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        start += width
        size = int.from_bytes(buffer[2:start], "big")
    if len(buffer) < start + size:
        return None
    return buffer[0] & 0x0F, buffer[start : start + size], buffer[start + size :]


class _Client:
    """One socket: `open` after the handshake, `seen` holds the types of frames since the last question."""

    __slots__ = ("buffer", "open", "seen", "sock")

    def __init__(self, address: Address, request: bytes) -> None:
        self.sock = socket.create_connection(address, timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(request)
        self.buffer = b""
        self.open = False
        self.seen: set[str] = set()


class Crowd:
    """Sockets that stay open until the block ends. Frames are JSON objects with a `type`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.clients: dict[int, _Client] = {}
        self.closed = 0
        self._poll = select.epoll()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._poll.close()
        for client in self.clients.values():
            client.sock.close()

    def open(self, requests: Sequence[bytes], first: str | None) -> None:
        """Open a socket for each request, a limited number at once, and wait for the frame of type `first` on each."""
        for start in range(0, len(requests), HANDSHAKES_AT_ONCE):
            for request in requests[start : start + HANDSHAKES_AT_ONCE]:
                client = _Client(self.address, request)
                self.clients[client.sock.fileno()] = client
                self._poll.register(client.sock, select.EPOLLIN)
            self._until(lambda client: client.open and (first is None or first in client.seen), 60)

    def forget(self) -> None:
        """Forget which types of frame have come."""
        for client in self.clients.values():
            client.seen.clear()

    def send(self, payloads: Sequence[bytes]) -> None:
        """Send the n-th payload on the n-th socket, reading what comes meanwhile."""
        for number, (client, payload) in enumerate(zip(list(self.clients.values()), payloads, strict=False)):
            client.sock.sendall(payload)
            if number % 50 == 0:
                self._read(0)

    def wait(self, kind: str, patience: float) -> int:
        """Wait until every socket has got a frame of this type; return how many have."""
        return self._until(lambda client: kind in client.seen, patience)

    def _until(self, satisfied: Callable[[_Client], bool], patience: float) -> int:
        waiting = {fd for fd, client in self.clients.items() if not satisfied(client)}
        deadline = time.monotonic() + patience
        while waiting and time.monotonic() < deadline:
            waiting -= {fd for fd in self._read(1) if satisfied(self.clients[fd])}
        return len(self.clients) - len(waiting)

    def _read(self, patience: float) -> list[int]:
        ready = [fd for fd, _ in self._poll.poll(patience)]
        for fd in ready:
            self._receive(self.clients[fd])
        return ready

    def _receive(self, client: _Client) -> None:
        data = client.sock.recv(65_536)
        if not data:
            self._poll.unregister(client.sock)
            self.closed += 1
            return
        client.buffer += data
        if not client.open:
            head, separator, rest = client.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"the handshake was answered with {head!r}")
            client.open, client.buffer = True, rest
        while (taken := take_frame(client.buffer)) is not None:
            opcode, payload, client.buffer = taken
            if opcode == TEXT:
                client.seen.add(json.loads(payload)["type"])
            elif opcode == PING:
                client.sock.sendall(frame(payload, PONG))
