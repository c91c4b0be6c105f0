"""One WebSocket connection: whole frames from any thread, a bounded outbox, and a way to close all at a restart.

Nobody but the connection's own greenlets ever waits for its client: `deliver`, `queue_own` and `close` send what the
kernel takes at once, and leave the rest to a greenlet that exists only while there is a rest.
"""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from simple_websocket import ConnectionClosed, Server
from wsproto.events import TextMessage
from wsproto.utilities import LocalProtocolError

from pumice.agents.json_text import dumps
from pumice.web.http.backlog import Backlog
from pumice.web.http.writes import Writes
from pumice.web.sockets.lean_server import Frames, Handshaken, count_bytes
from pumice.web.sockets.whole_sends import CLOSE_LINGER, WholeSends

CLOSE_SLOW, CLOSE_RESTART = 1013, 1012
CLOSE_PATIENCE = 5.0
"""Seconds in which a client must take the rest of the frame that is being sent to it, and then the closing frame."""
GONE = (ConnectionClosed, LocalProtocolError, OSError)


class Connection:
    """A WebSocket as the session behind it sees it. `sent` is the id of the session event that was sent last."""

    def __init__(self, ws: Server, backlog: Backlog, writes: Writes) -> None:
        self._ws = ws
        self._backlog = backlog
        self._lock = threading.RLock()
        self._outbox: deque[tuple[str | None, bytes]] = deque()
        self._draining = False
        self._drainer: gevent.Greenlet[..., None] | None = None
        self._ending: tuple[int, str] | None = None
        self._holds = 0
        self._own_frames = 0
        self.sent = "0-0"
        ws.sock = self._sock = WholeSends(ws.sock, self._lock, writes)
        ws.ws.handshake = Handshaken()
        count_bytes(ws)

    def serve(self, take: Callable[[str | bytes], None]) -> None:
        """Hand every frame to `take` until the connection ends."""
        self._ws.input_buffer = Frames(take)
        self._ws.thread.read_frames()

    def deliver(self, event_id: str, event: bytes) -> None:
        """Queue a session event; never blocks."""
        self._queue(event_id, event)

    def queue_own(self, frame: dict[str, Any]) -> None:
        """Queue a frame of this socket only; never blocks."""
        self._queue(None, dumps(frame))

    def send_event(self, event_id: str, event: bytes) -> None:
        """Send a session event from the calling thread, which waits for the client. Raises `ConnectionClosed`."""
        self._send(event_id, event)

    def send_own(self, frame: dict[str, Any]) -> None:
        """Send a frame of this socket only, from the calling thread. Raises `ConnectionClosed`."""
        self._send(None, dumps(frame))

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold session events back meanwhile, so that `accepted` comes before what follows from it."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._send_soon()

    def refuse(self, code: int, reason: str) -> None:
        """Close a connection that is not being served, and see it closed."""
        self.close(code, reason)
        if self._drainer is not None:
            self._drainer.join(CLOSE_PATIENCE)
        self._sock.close()

    def close(self, code: int, reason: str) -> None:
        """Have the connection closed, without what waits for its client; never blocks."""
        if self._ending is not None:
            return
        self._ending = code, reason
        self._outbox.clear()
        self._backlog.forget(self)
        gevent.spawn_later(CLOSE_PATIENCE, self._sock.abort)
        self._drain_soon()

    def cut_off(self) -> None:
        """Close the connection because its client is too slow; it resumes with `lastEventId`."""
        self.close(CLOSE_SLOW, "too slow")

    def forget(self) -> None:
        """The connection is over: nothing waits for it any more."""
        self._ending = self._ending or (1000, "")
        self._outbox.clear()
        self._backlog.forget(self)

    def _send(self, event_id: str | None, frame: bytes) -> None:
        try:
            with self._lock:
                self._sock.send(self._encode(event_id, frame))
        except (LocalProtocolError, OSError) as error:
            raise ConnectionClosed(self._ws.close_reason, str(error)) from None

    def _queue(self, event_id: str | None, frame: bytes) -> None:
        if self._ending is not None:
            return
        if not self._outbox and not self._draining and not self._holds and self._offer(event_id, frame):
            return
        if self._ending is None:
            self._outbox.append((event_id, frame))
            if self._backlog.add(self, len(frame)):
                self._send_soon()

    def _offer(self, event_id: str | None, frame: bytes) -> bool:
        """Send a frame at once, if nobody else is sending. Returns whether it is dealt with."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._sock.offer(self._encode(event_id, frame)):
                self._drain_soon()
        except GONE:
            self.forget()
        finally:
            self._lock.release()
        return True

    def _send_soon(self) -> None:
        if self._outbox and not self._holds:
            self._drain_soon()

    def _drain_soon(self) -> None:
        if not self._draining:
            self._draining = True
            self._drainer = gevent.spawn(self._drain)

    def _drain(self) -> None:
        """Send what waits, at the client's pace; then the closing frame, if the connection is to end."""
        try:
            self._sock.send(b"")
            while self._outbox and not self._holds:
                with self._lock:
                    event_id, frame = self._outbox.popleft()
                    self._backlog.remove(self, len(frame))
                    self._sock.send(self._encode(event_id, frame))
            if self._ending is not None:
                self._ws.close(*self._ending)
                gevent.spawn_later(CLOSE_LINGER, self._stop_reading)
        except GONE:
            self.forget()
        finally:
            self._draining = False
        if self._ending is None:
            self._send_soon()

    def _stop_reading(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)

    def _encode(self, event_id: str | None, frame: bytes) -> bytes:
        """A frame under its event id, as bytes; one of our own has an id that resumes from the event sent before it.

        Raises `ConnectionClosed`.
        """
        if not self._ws.connected:
            raise ConnectionClosed(self._ws.close_reason, self._ws.close_message)
        if event_id is None:
            self._own_frames += 1
            event_id = f"{self.sent}+{self._own_frames}"
        else:
            self.sent = event_id
        text = b'{"eventId":"%s",%s' % (event_id.encode(), frame[1:])
        return bytes(self._ws.ws.send(TextMessage(text.decode())))


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
            connection.forget()

    def close_all(self) -> None:
        """Close every socket, for a restart: clients connect again elsewhere."""
        self._stopping = True
        for connection in list(self._open):
            connection.close(CLOSE_RESTART, "restart")
