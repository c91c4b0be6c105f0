"""What Pumice's tables say happened: a large state stands there as its difference from a keyframe."""

import orjson

from pumice.sessions.deltas import apply, unpack
from tests.bench.verify.postgres import PostgresTruth


class PumiceTruth(PostgresTruth):
    """Reads states as workers do."""

    def counted(self) -> int:
        """Return how many events the sessions' states have counted."""
        whole = self.value("select coalesce(sum((state->>'count')::bigint), 0) from sessions where not stale")
        parts = self.connection.execute("select base, state_delta from sessions where stale").fetchall()
        return int(whole) + sum(int(orjson.loads(apply(unpack(base), delta))["count"]) for base, delta in parts)
