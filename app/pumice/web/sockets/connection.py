"""One WebSocket connection: whole frames from any thread, a bounded outbox, and a way to close all at a restart.

simple-websocket's `send` is not safe for threads and loses the rest of a frame that the kernel does not take at once;
both its writes and ours go through `_WholeSends`. Of its other parts, a connection that idles keeps as little as it
can: the frames are read on the request's own greenlet rather than on a second one, without an event and a selector.
"""

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import orjson
from gevent.socket import wait_read
from simple_websocket import ConnectionClosed, Server
from wsproto.events import TextMessage

OUTBOX_LIMIT = 5_000
"""Frames that may wait for a slow client; past that it is cut off, and resumes with `lastEventId`."""
CLOSE_SLOW, CLOSE_RESTART = 1013, 1012
RECEIVED_AT_ONCE = 65_536
CLOSE_LINGER = 1.0
"""Seconds that a client has to answer our closing frame. A socket that is closed before what the client sent has been
read is reset, and the client may then never see that frame."""


class _NoThread:
    """What simple-websocket takes for its reading thread. Nothing starts; `Connection.serve` reads."""

    def __init__(self, target: Callable[[], None]) -> None:
        self.name = "none"
        self.read_frames = target

    def start(self) -> None:
        """Start nothing."""


class _NoEvent:
    """What it takes for the event that tells of a frame. Nobody waits for it."""

    def set(self) -> None:
        """Tell nobody."""


class _Readable:
    """What it takes for a selector: waits for one socket without keeping anything open for it."""

    def register(self, sock: Any, *_: Any) -> None:
        """Take the socket."""
        self._sock = sock

    def select(self, timeout: float) -> bool:
        """Wait until there is something to read, or seconds are over. Returns whether there is."""
        try:
            wait_read(self._sock.fileno(), timeout, TimeoutError())
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close nothing."""


class _Handshaken:
    """Takes the place of a handshake that is over, which would keep a whole HTTP parser."""

    def events(self) -> tuple[()]:
        """Nothing more happens."""
        return ()


SERVER_OPTIONS: dict[str, Any] = {"thread_class": _NoThread, "event_class": _NoEvent, "selector_class": _Readable}


class _Frames:
    """What simple-websocket takes for its list of frames that wait: hands each over instead."""

    def __init__(self, take: Callable[[str | bytes], None]) -> None:
        self.append = take


class _WholeSends:
    """A socket whose `send` sends everything, one caller at a time, after what an earlier `offer` left over."""

    def __init__(self, sock: Any, lock: Any) -> None:
        self._sock = sock
        self._lock = lock
        self._left = b""
        self._offers = not isinstance(sock, ssl.SSLSocket)

    def send(self, data: bytes) -> int:
        """Send it all. Waits for a slow client."""
        with self._lock:
            left, self._left = self._left, b""
            self._sock.sendall(left + data)
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


class Connection:
    """A WebSocket as the session behind it sees it. `sent` is the id of the session event that was sent last."""

    def __init__(self, ws: Server) -> None:
        self._ws = ws
        self._lock = threading.RLock()
        self._outbox: list[tuple[str | None, bytes]] = []
        self._draining = False
        self._holds = 0
        self._own_frames = 0
        self.sent = "0-0"
        ws.sock = self._sock = _WholeSends(ws.sock, self._lock)
        ws.ws.handshake = _Handshaken()

    def serve(self, take: Callable[[str | bytes], None]) -> None:
        """Hand every frame to `take` until the connection ends."""
        self._ws.input_buffer = _Frames(take)
        self._ws.thread.read_frames()

    def deliver(self, event_id: str, event: bytes) -> None:
        """Queue a session event; never blocks."""
        self._queue((event_id, event))

    def queue_own(self, frame: dict[str, Any]) -> None:
        """Queue a frame of this socket only; never blocks."""
        self._queue((None, orjson.dumps(frame)))

    def send_own(self, frame: dict[str, Any]) -> None:
        """Send a frame of this socket only, from the calling thread. Raises `ConnectionClosed`."""
        with self._lock:
            self._sock.send(self._encode(None, orjson.dumps(frame)))

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold session events back meanwhile, so that `accepted` comes before what follows from it."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._queue()

    def refuse(self, code: int, reason: str) -> None:
        """Close a connection that is not being served, and see it closed."""
        self.close(code, reason)
        self._sock.close()

    def close(self, code: int, reason: str) -> None:
        """Have the connection closed by whoever serves it; does nothing when it is closed."""
        gevent.spawn_later(CLOSE_LINGER, self._stop_reading)
        with contextlib.suppress(ConnectionClosed, OSError):
            self._ws.close(code, reason)

    def _stop_reading(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)

    def _queue(self, *frames: tuple[str | None, bytes]) -> None:
        self._outbox.extend(frames)
        if len(self._outbox) > OUTBOX_LIMIT:
            self._outbox.clear()
            threading.Thread(target=self.close, args=(CLOSE_SLOW, "too slow"), daemon=True).start()
        elif self._outbox and not self._draining and not self._holds and not self._offer():
            self._draining = True
            threading.Thread(target=self._drain, name="pumice-socket", daemon=True).start()

    def _offer(self) -> bool:
        """Send what the client takes without waiting. Returns false when the rest has to wait for it."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            while self._outbox:
                if not self._sock.offer(self._encode(*self._outbox.pop(0))):
                    return False
        except (ConnectionClosed, OSError):
            self._outbox.clear()
        finally:
            self._lock.release()
        return True

    def _drain(self) -> None:
        try:
            self._sock.send(b"")
            while self._outbox and not self._holds:
                with self._lock:
                    self._sock.send(self._encode(*self._outbox.pop(0)))
        except (ConnectionClosed, OSError):
            self._outbox.clear()
        finally:
            self._draining = False
        if self._outbox and not self._holds:
            self._queue()

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

    def close_all(self) -> None:
        """Close every socket, for a restart: clients connect again elsewhere."""
        self._stopping = True
        for connection in list(self._open):
            connection.close(CLOSE_RESTART, "restart")
