"""A WebSocket client that reads JSON frames."""

import json
import struct
from collections.abc import Iterator
from typing import Any, Self

import websocket
from websocket import ABNF

TIMEOUT = 20.0


class SocketClosedError(Exception):
    """The server closed the socket, with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


def is_question(frame: dict[str, Any]) -> bool:
    """Whether the frame tells what a user said in another tab."""
    return bool(frame["type"] == "message" and frame["message"]["role"] == "user")


class SocketClient:
    """One connection. Frames are dicts; `seen` has all that came."""

    def __init__(self, url: str, headers: dict[str, str] | None = None, origin: str | None = None) -> None:
        options = {"origin": origin} if origin else {"suppress_origin": True}
        self._socket = websocket.create_connection(url, timeout=TIMEOUT, header=headers or {}, **options)
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown()

    @property
    def answered(self) -> dict[str, str]:
        """The headers with which the server took the socket, in lower case."""
        return dict(self._socket.getheaders() or {})

    def send(self, frame: Any) -> None:
        """Send text as it is, bytes as a binary frame, anything else as JSON."""
        if isinstance(frame, bytes):
            self._socket.send_binary(frame)
        else:
            self._socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def raw(self, data: bytes, opcode: int) -> None:
        """Send one frame as it is."""
        self._socket.send_frame(ABNF.create_frame(data, opcode))

    def piece(self, text: str, opcode: int, *, last: bool) -> None:
        """Send a piece of a message."""
        self._socket.send_frame(ABNF.create_frame(text.encode(), opcode, int(last)))

    def close(self, code: int) -> None:
        """Begin to close."""
        self._socket.send(struct.pack("!H", code), ABNF.OPCODE_CLOSE)

    def ignore_pings(self) -> None:
        """Answer pings no more."""
        self._socket.pong = lambda *_: None  # type: ignore[method-assign]

    def next(self) -> dict[str, Any]:
        """The next frame. Raises `SocketClosedError`."""
        while True:
            opcode, data = self._socket.recv_data(control_frame=True)
            if opcode == ABNF.OPCODE_TEXT:
                self.seen.append(json.loads(data))
                return self.seen[-1]
            if opcode == ABNF.OPCODE_CLOSE:
                code = struct.unpack("!H", data[:2])[0] if data else 1005
                raise SocketClosedError(code, data[2:].decode())

    def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next frame of this type with these fields, but for what a user said; frames before it are in `seen`."""
        for frame in self:
            if frame["type"] == kind and fields.items() <= frame.items() and not is_question(frame):
                return frame
        raise AssertionError

    def until_end_of(self, interaction_id: str) -> dict[str, Any]:
        """The next frame that ends this interaction."""
        for frame in self:
            if frame["type"] in {"done", "error"} and frame.get("interactionId") == interaction_id:
                return frame
        raise AssertionError

    def closed(self) -> int:
        """The code with which the server closes; frames before it are in `seen`."""
        try:
            for _ in self:
                pass
        except SocketClosedError as error:
            return error.code
        raise AssertionError

    def opcode(self, wanted: int) -> bytes:
        """The payload of the next frame with this opcode."""
        while True:
            opcode, data = self._socket.recv_data(control_frame=True)
            if opcode == wanted:
                return bytes(data)

    def types(self) -> list[str]:
        """The types of the frames seen, but for what a user said."""
        return [frame["type"] for frame in self.seen if not is_question(frame)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.next()
