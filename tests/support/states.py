"""States as they stand in the table of sessions: a large one may be told as a difference."""

import json
from typing import Any

from pumice.sessions.deltas import apply, unpack

STATE = "state::text as state, stale, base, state_delta"
"""The columns that `stored_state` needs."""


def stored_state(row: Any) -> Any:
    """The state of a row; None before the first turn."""
    if row.stale:
        return json.loads(apply(unpack(row.base), row.state_delta))
    return None if row.state is None else json.loads(row.state)
