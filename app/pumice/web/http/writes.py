"""A limit on how long a write to a client may take, whatever is being sent: past it the connection is ended.

A client that has stopped reading would otherwise hold the thread that writes to it, and all that belongs to it, until
the kernel gives the connection up, which may be never. One thread looks at all writes once a second: a timer for each
would cost more than the write.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pumice.logs import get_logger

LOOK = 0.5

log = get_logger("pumice.delivery")


class Writes:
    """The writes to clients that are under way on this front."""

    def __init__(self, limit: float) -> None:
        """`limit`: seconds that one write may take."""
        self._limit = limit
        self._since: dict[Any, float] = {}
        self.ended = 0
        threading.Thread(target=self._watch, name="pumice-writes", daemon=True).start()

    def begin(self, sock: Any) -> None:
        """Note that something is being sent on this socket."""
        self._since[sock] = time.monotonic()

    def end(self, sock: Any) -> None:
        """Note that it was sent, or that sending it failed."""
        self._since.pop(sock, None)

    def timed(self, sock: Any, frames: Iterable[bytes]) -> Iterator[bytes]:
        """The frames of a response; the server sends each before it asks for the next. `sock`: where it sends them."""
        for frame in frames:
            if sock is None:
                yield frame
                continue
            self.begin(sock)
            try:
                yield frame
            finally:
                self.end(sock)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK)
            late = time.monotonic() - self._limit
            for sock in [one for one, since in list(self._since.items()) if since < late]:
                self.end(sock)
                self.ended += 1
                log.info("client_ended", why="it took nothing that was sent to it", after=f"{self._limit:g}s")
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
