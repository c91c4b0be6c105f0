"""A client that waits for each answer before it asks again, always on the same connection."""

import socket
import time
from dataclasses import dataclass

from tests.bench.loader.http import Address, reply_size

PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back, and the seconds from the first byte sent to the last one read."""

    status: int
    body: bytes
    seconds: float


class Caller:
    """One keep-alive connection of this process. It breaks with OSError, and is not opened again."""

    def __init__(self, address: Address) -> None:
        self._sock = socket.create_connection(address, timeout=PATIENCE)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> Answer:
        """Send one request and wait for its whole answer."""
        started = time.perf_counter()
        self._sock.sendall(request)
        buffer = b""
        while (size := reply_size(buffer)) is None or len(buffer) < size:
            data = self._sock.recv(65_536)
            if not data:
                raise ConnectionError("the connection was closed before the answer was whole")
            buffer += data
        seconds = time.perf_counter() - started
        return Answer(int(buffer[9:12]), buffer.partition(b"\r\n\r\n")[2], seconds)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()
