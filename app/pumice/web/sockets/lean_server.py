"""What simple-websocket is given so that a connection that idles keeps as little as it can, and counts right.

Its frames are read on the request's own greenlet rather than on a second one, without an event and a selector. It
counts a text message in characters and the limit is in bytes: `count_bytes` adds the difference.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gevent.socket import wait_read
from simple_websocket import Server
from wsproto.events import TextMessage


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


class Handshaken:
    """Takes the place of a handshake that is over, which would keep a whole HTTP parser."""

    def events(self) -> tuple[()]:
        """Nothing more happens."""
        return ()


class Frames:
    """What simple-websocket takes for its list of frames that wait: hands each over instead."""

    def __init__(self, take: Callable[[str | bytes], None]) -> None:
        self.append = take


SUBPROTOCOL = "pumice"
"""What a page offers beside its credentials, because a browser wants one of the subprotocols that it offers back."""
SERVER_OPTIONS: dict[str, Any] = {
    "thread_class": _NoThread,
    "event_class": _NoEvent,
    "selector_class": _Readable,
    "subprotocols": SUBPROTOCOL,
}


def count_bytes(ws: Server) -> None:
    """Have a message's size counted in bytes of UTF-8, whole or in pieces."""
    events: Callable[[], Iterator[Any]] = ws.ws.events

    def counted() -> Iterator[Any]:
        for event in events():
            if isinstance(event, TextMessage) and not event.data.isascii():
                ws.incoming_message_len += len(event.data.encode(errors="surrogatepass")) - len(event.data)
            yield event

    ws.ws.events = counted
