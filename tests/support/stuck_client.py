"""Clients that open a stream or a socket and then do not read: a phone without a network, a page that is suspended."""

import base64
import json
import os
import socket
import struct
from typing import Self
from urllib.parse import urlsplit

from tests.support.client import AgentClient, chat_body

CLOSE = 0x88


class StuckClient:
    """A connection with a small receive buffer from which nothing is read until `read_all`."""

    def __init__(self, client: AgentClient, request: bytes) -> None:
        at = urlsplit(client.url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(30)
        self._socket.connect((at.hostname, at.port))
        self._socket.sendall(request)

    @classmethod
    def streaming(cls, client: AgentClient, text: str, session: str) -> Self:
        """A chat that is to be streamed."""
        body = json.dumps(chat_body(text, session)).encode()
        head = (
            "POST /v1/chat HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
            "Connection: close\r\n"
            f"x-api-key: {client.public_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return cls(client, head.encode() + body)

    @classmethod
    def socket(cls, client: AgentClient, session: str) -> Self:
        """A WebSocket on a session."""
        key = base64.b64encode(os.urandom(16)).decode()
        return cls(
            client,
            (
                f"GET /v1?api_key={client.public_key}&sessionId={session} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
            ).encode(),
        )

    def read_some(self) -> bytes:
        """What has come, up to a few bytes."""
        return self._socket.recv(1024)

    def read_all(self) -> bytes:
        """All that comes until the server ends the connection."""
        found = bytearray()
        try:
            while chunk := self._socket.recv(65_536):
                found += chunk
        except ConnectionResetError:
            pass
        return bytes(found)

    def close(self) -> None:
        """Go away."""
        self._socket.close()


def close_code(received: bytes) -> int:
    """The code in the closing frame with which these bytes of a WebSocket end."""
    for size in range(2, 126):
        if received[-size - 2 : -size] == bytes((CLOSE, size)):
            return int(struct.unpack("!H", received[-size:][:2])[0])
    raise AssertionError(received[-200:])
