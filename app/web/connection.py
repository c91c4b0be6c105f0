"""One WebSocket connection: whole frames from any thread, a bounded outbox, and a way to close all at a restart.

simple-websocket's `send` is not safe for threads and loses the rest of a frame that the kernel does not take at once;
both its writes and ours go through `_WholeSends`.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson
from simple_websocket import ConnectionClosed, Server

OUTBOX_LIMIT = 5_000
"""Frames that may wait for a slow client; past that it is cut off, and resumes with `lastEventId`."""
CLOSE_SLOW, CLOSE_RESTART = 1013, 1012


class _WholeSends:
    """A socket whose `send` sends everything, one caller at a time."""

    def __init__(self, sock: Any, lock: Any) -> None:
        self._sock = sock
        self._lock = lock

    def send(self, data: bytes) -> int:
        with self._lock:
            self._sock.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Connection:
    """A WebSocket as the session behind it sees it. `sent` is the id of the session event that was sent last."""

    def __init__(self, ws: Server) -> None:
        self._ws = ws
        self._lock = threading.RLock()
        self._outbox: deque[tuple[str | None, bytes]] = deque()
        self._draining = False
        self._holds = 0
        self._own_frames = 0
        self.sent = "0-0"
        ws.sock = _WholeSends(ws.sock, self._lock)

    def receive(self) -> str | bytes | None:
        """The next frame. Raises `ConnectionClosed`."""
        frame: str | bytes | None = self._ws.receive()
        return frame

    def deliver(self, event_id: str, event: bytes) -> None:
        """Queue a session event; never blocks."""
        self._queue((event_id, event))

    def queue_own(self, frame: dict[str, Any]) -> None:
        """Queue a frame of this socket only; never blocks."""
        self._queue((None, orjson.dumps(frame)))

    def send_own(self, frame: dict[str, Any]) -> None:
        """Send a frame of this socket only, from the calling thread. Raises `ConnectionClosed`."""
        self._send(None, orjson.dumps(frame))

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold session events back meanwhile, so that `accepted` comes before what follows from it."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._queue()

    def close(self, code: int, reason: str) -> None:
        """Close the connection; does nothing when it is closed."""
        with contextlib.suppress(ConnectionClosed, OSError):
            self._ws.close(code, reason)
        self._ws.event.set()

    def _queue(self, *frames: tuple[str | None, bytes]) -> None:
        self._outbox.extend(frames)
        if len(self._outbox) > OUTBOX_LIMIT:
            self._outbox.clear()
            threading.Thread(target=self.close, args=(CLOSE_SLOW, "too slow"), daemon=True).start()
        elif self._outbox and not self._draining and not self._holds:
            self._draining = True
            threading.Thread(target=self._drain, name="pumice-socket", daemon=True).start()

    def _drain(self) -> None:
        try:
            while self._outbox and not self._holds:
                self._send(*self._outbox.popleft())
        except (ConnectionClosed, OSError):
            self._outbox.clear()
        finally:
            self._draining = False
        if self._outbox and not self._holds:
            self._queue()

    def _send(self, event_id: str | None, frame: bytes) -> None:
        """Send a frame under its event id; one of our own under an id that resumes from the event sent before it."""
        with self._lock:
            if event_id is None:
                self._own_frames += 1
                event_id = f"{self.sent}+{self._own_frames}"
            else:
                self.sent = event_id
            self._ws.send((b'{"eventId":"%s",%s' % (event_id.encode(), frame[1:])).decode())


class OpenSockets:
    """The sockets of this front process, so that a restart can close them."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._stopping = False

    @contextlib.contextmanager
    def holding(self, connection: Connection) -> Iterator[None]:
        """Keep a connection among the open ones meanwhile."""
        self._open.add(connection)
        if self._stopping:
            connection.close(CLOSE_RESTART, "restart")
        try:
            yield
        finally:
            self._open.discard(connection)

    def close_all(self) -> None:
        """Close every socket, for a restart: clients connect again elsewhere."""
        self._stopping = True
        for connection in list(self._open):
            connection.close(CLOSE_RESTART, "restart")
