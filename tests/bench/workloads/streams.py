"""How much later than its handler gives it a client reads the first piece of a streamed reply."""

import re
import socket
import time

from tests.bench.loader.http import Address
from tests.bench.stage import Stage
from tests.bench.workloads.chat import record_latencies

STREAMS = 300
PIECE = re.compile(rb'"content": ?"at (\d+) ')
"""A delta of the agent `streaming`: when it was given, in nanoseconds of the clock that processes share."""
PATIENCE = 30.0


def streams(stage: Stage) -> None:
    """Streamed chats one after the other, each on a connection of its own."""
    count, late = stage.count(STREAMS), []
    for number in range(-3, count):
        seconds = _first_piece(stage.contender.address, stage.contender.stream(f"s{number % 5}", ["hello"]))
        if number >= 0:
            late.append(seconds)
    record_latencies(stage, "first delta ", late)


def _first_piece(address: Address, request: bytes) -> float:
    """Return the seconds from the moment at which the handler gave its first piece to the one at which it was read."""
    with socket.create_connection(address, timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        buffer = b""
        while (piece := PIECE.search(buffer)) is None:
            data = sock.recv(65_536)
            if not data:
                raise ConnectionError(f"the stream ended without a delta: {buffer[-500:]!r}")
            buffer += data
        read = time.monotonic_ns()
        while b"event: done" not in buffer:
            data = sock.recv(65_536)
            if not data:
                raise ConnectionError("the stream ended too early")
            buffer += data
    return (read - int(piece[1])) / 1e9
