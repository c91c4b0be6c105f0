"""What a client must send to begin a WebSocket (RFC 6455, section 4.2.1), checked before anything is answered."""

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import request
from simple_websocket import ConnectionError as HandshakeError
from wsproto.utilities import ProtocolError

from pumice.errors import Malformed, MethodNotAllowed, UpgradeRequired

VERSION = "13"
KEY_BYTES = 16

View = Callable[..., Any]


def after_handshake(view: View) -> View:
    """The view of a WebSocket's route, entered by those alone whose handshake is complete.

    Whoever asks for something else gets `Malformed`, `UpgradeRequired` or `MethodNotAllowed`, over plain HTTP.
    """

    @wraps(view)
    def checked(*arguments: Any, **named: Any) -> Any:
        check_handshake(request.environ)
        if (sock := request.environ.get("gunicorn.socket")) is not None:
            sock.settimeout(None)  # it stays open from here on; what is slow is cut by other rules
        try:
            return view(*arguments, **named)
        except (ProtocolError, HandshakeError, UnicodeError):  # the last for headers beyond ASCII
            raise Malformed("the WebSocket handshake is not valid") from None

    return checked


def check_handshake(environ: Mapping[str, Any]) -> None:
    """Raises `Malformed`, `UpgradeRequired` or `MethodNotAllowed` for a request that begins no WebSocket."""
    if environ.get("REQUEST_METHOD") != "GET":
        raise MethodNotAllowed
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION")
    if version is None:
        raise Malformed("the header Sec-WebSocket-Version is missing")
    if version.strip() != VERSION:
        raise UpgradeRequired
    if not _is_key(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")):
        raise Malformed("the header Sec-WebSocket-Key is not 16 bytes in base64")
    if not environ.get("HTTP_HOST"):
        raise Malformed("the header Host is missing")
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        raise Malformed("a WebSocket begins with HTTP/1.1")
    if environ.get("HTTP_TRANSFER_ENCODING") or environ.get("CONTENT_LENGTH", "0") != "0":
        raise Malformed("a WebSocket handshake has no body")


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.strip(), validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False
