"""A socket whose `send` sends everything, one caller at a time, and never for longer than a client may take."""

import contextlib
import os
import socket
import ssl
from typing import Any

import gevent

from pumice.web.http.writes import Writes

RECEIVED_AT_ONCE = 65_536
CLOSE_LINGER = 1.0
"""Seconds that a client has to answer our closing frame. A socket that is closed before what the client sent has been
read is reset, and the client may then never see that frame."""


class WholeSends:
    """Takes the place of simple-websocket's socket, whose `send` may send a part and is not safe for threads."""

    def __init__(self, sock: Any, lock: Any, writes: Writes) -> None:
        self._sock = sock
        self._lock = lock
        self._writes = writes
        self._left = b""
        self._offers = not isinstance(sock, ssl.SSLSocket)

    def send(self, data: bytes) -> int:
        """Send it all, after what an earlier `offer` left over. Waits for a slow client, up to its limit."""
        with self._lock:
            left, self._left = self._left, b""
            self._writes.begin(self._sock)
            try:
                self._sock.sendall(left + data)
            finally:
                self._writes.end(self._sock)
        return len(data)

    def offer(self, data: bytes) -> bool:
        """Send what the kernel takes at once. Returns whether that was all; `send` sends the rest first."""
        with self._lock:
            sent = 0
            if self._offers and not self._left:
                with contextlib.suppress(BlockingIOError):
                    sent = os.write(self._sock.fileno(), data)
            self._left += data[sent:]
            return not self._left

    def abort(self) -> None:
        """End the connection now; whoever reads from it or writes to it is told."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket when the client has, or after `CLOSE_LINGER`; what still comes is dropped."""
        silent: Any = False
        with contextlib.suppress(OSError), gevent.Timeout(CLOSE_LINGER, silent):
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(RECEIVED_AT_ONCE):
                pass
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
