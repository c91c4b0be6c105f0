"""Free TCP ports on loopback."""

import socket

HOST = "127.0.0.1"


def is_free(port: int, host: str = HOST) -> bool:
    """Can a server listen on `host`:`port` now? Connections that linger after a stop don't count against it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that nothing listens on, of the system's choice."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def first_free(start: int, host: str = HOST, tries: int = 100) -> int:
    """The first free port from `start` up, of at most `tries`; any free one if none of them is."""
    for port in range(start, min(start + tries, 65536)):
        if is_free(port, host):
            return port
    return any_free()
