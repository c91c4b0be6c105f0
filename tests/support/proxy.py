"""A TCP proxy between a process and a server, which tests stall and cut.

On connections to Postgres it also reads the client's messages (the frontend protocol's framing: a type byte and a
length), so that it can cut a connection exactly while one chosen statement is being executed.
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Literal

from pumice.dev.ports import HOST

CHUNK = 65_536
EXECUTE = b"E"
REMEMBERED = 400_000
"""Bytes from a connection's beginning in which its statements' texts are looked for: later they go by a name."""
RESET = struct.pack("ii", 1, 0)
"""Linger on, for 0 seconds: closing sends RST, so that both ends know at once."""

Moment = Literal["before", "after"]


@dataclass(slots=True)
class Trap:
    """Cuts the first connection that executes a statement which contains `text`.

    `before`: the server never sees it. `after`: the server has executed it, and its answer is thrown away.
    """

    text: bytes
    moment: Moment
    sprung: threading.Event = field(default_factory=threading.Event)


class Framing:
    """Follows a stream of frontend messages: which types were completed or begun in each chunk."""

    def __init__(self) -> None:
        self._pending = b""
        self._skip = 0
        self._started = False

    def types_in(self, chunk: bytes) -> set[bytes]:
        """The types of the messages that begin in this chunk."""
        if self._skip >= len(chunk):
            self._skip -= len(chunk)
            return set()
        data, self._skip = self._pending + chunk[self._skip :], 0
        found: set[bytes] = set()
        at = 0
        while True:
            header = 5 if self._started else 4
            if len(data) - at < header:
                self._pending = data[at:]
                return found
            if self._started:
                found.add(data[at : at + 1])
            length = int.from_bytes(data[at + header - 4 : at + header], "big") + header - 4
            self._started = True
            at += length
            if at >= len(data):
                self._skip, self._pending = at - len(data), b""
                return found


class Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.said = b""
        self.framing = Framing()
        self.doomed = False

    def cut(self) -> None:
        """Reset both sides."""
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                one.close()


class Proxy:
    """Passes bytes between whoever connects to `port` and the server at `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._links: set[Link] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._trap: Trap | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def stall(self) -> None:
        """Hold everything back, new connections too; nothing is lost."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let everything flow again, and disarm the trap."""
        self._trap = None
        self._flowing.set()

    def cut(self, text: str = "") -> int:
        """Reset every connection on which a statement with this text was sent. Returns how many these were."""
        with self._lock:
            links = {link for link in self._links if text.encode() in link.said}
        for link in links:
            link.cut()
        return len(links)

    def trap(self, text: str, moment: Moment) -> Trap:
        """Arm a trap for the next execution of a statement with this text in it."""
        self._trap = Trap(text.encode(), moment)
        return self._trap

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        self.resume()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), name="proxy", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._flowing.wait()
        try:
            server = socket.create_connection((HOST, self._target), 2)
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.settimeout(None)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        threading.Thread(target=self._pump, args=(link, server, client), name="proxy", daemon=True).start()
        self._pump(link, client, server)

    def _pump(self, link: Link, source: socket.socket, sink: socket.socket) -> None:
        outward = source is link.client
        try:
            while chunk := source.recv(CHUNK):
                self._flowing.wait()
                if not (self._lets_out(link, chunk) if outward else not link.doomed):
                    break
                sink.sendall(chunk)
        except OSError:
            return
        finally:
            with self._lock:
                self._links.discard(link)
            link.cut()

    def _lets_out(self, link: Link, chunk: bytes) -> bool:
        """Look at what a client sends. Returns false when the connection is to be cut before the server sees it."""
        types = link.framing.types_in(chunk)
        if len(link.said) < REMEMBERED:
            link.said += chunk
        with self._lock:
            trap = self._trap
            if trap is None or EXECUTE not in types or trap.text not in link.said:
                return True
            self._trap = None
        link.doomed = True
        trap.sprung.set()
        return trap.moment == "after"
