"""TCP ports of this machine."""

import contextlib
import socket

HOST = "127.0.0.1"
_BACKLOG = 2048
"""Connections that may wait while nobody accepts any."""


def listener(port: int, host: str = HOST) -> socket.socket:
    """A socket that listens on `host`:`port`; port 0 is one of the system's choice. Raises `OSError`.

    Connections that linger after a stop don't keep it from its port.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def first_listener(start: int, host: str = HOST, tries: int = 100) -> socket.socket:
    """Listens on the first free port from `start` up, of at most `tries`; on any if none is free. Raises `OSError`."""
    for port in range(start, min(start + tries, 65536)):
        with contextlib.suppress(OSError):
            return listener(port, host)
    return listener(0, host)


def is_free(port: int, host: str = HOST) -> bool:
    """Can a server listen on `host`:`port` now?"""
    try:
        listener(port, host).close()
    except OSError:
        return False
    return True


def any_free() -> int:
    """A port that nothing listens on, of the system's choice."""
    with listener(0) as probe:
        return int(probe.getsockname()[1])
