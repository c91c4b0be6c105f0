"""Middleware that leaves a trace which another process can read."""

import os
from contextlib import contextmanager
from pathlib import Path

from pumice import Turn


@contextmanager
def traced(turn: Turn):
    """Note each turn in the file that TRACE_FILE names."""
    with Path(os.environ["TRACE_FILE"]).open("a") as trace:
        trace.write(f"{turn.agent_id} {turn.session_id} {turn.interaction.kind} enters\n")
        trace.flush()
        try:
            yield
        finally:
            trace.write(f"{turn.agent_id} {turn.session_id} {turn.interaction.kind} leaves\n")
