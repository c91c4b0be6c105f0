"""`python -m tests.bench.intake [minutes] [kept]`: webhooks at 60% of what a burst reaches, minute after minute.

kept: the minutes for which finished interactions are kept. From then on as many must go as come, and neither the tables
and indexes nor the time of an answer may grow. A row is printed for each minute.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.contenders.pumice import Pumice
from tests.bench.loader.http import Load
from tests.bench.loader.pool import run_load
from tests.bench.stack.servers import servers
from tests.bench.stage import Options, Stage, on_stage
from tests.bench.workloads.hooks import CONNECTIONS, SESSIONS
from tests.bench.workloads.traffic import events

MINUTES, KEPT = 60, 10
SHARE = 0.6
BURST = 20_000
MINUTE = 60
SIZES = """
select pg_table_size('interactions') / 1e6, pg_indexes_size('interactions') / 1e6, n_live_tup, n_dead_tup
from pg_stat_user_tables where relname = 'interactions'
"""
TITLES = ("minute", "accepted/s", "p50 ms", "p99 ms", "queued", "rows", "dead", "table MB", "indexes MB")


@dataclass(frozen=True)
class Minute:
    """What one minute showed; latencies in ms, sizes in MB."""

    rate: float
    p50: float
    p99: float
    queued: int
    rows: int
    dead: int
    table: float
    indexes: float


class Keeping(Pumice):
    """Pumice with a short retention."""

    kept = float(KEPT)
    """Minutes."""

    def environment(self, fronts: int) -> dict[str, str]:
        """Say for how long interactions and points are kept, in days."""
        days = str(self.kept / (24 * 60))
        return {**super().environment(fronts), "RETENTION_DAYS": days, "HISTORY_DAYS": days}


def main(minutes: int, kept: float) -> None:
    """Measure, and print."""
    with servers() as found, tempfile.TemporaryDirectory() as directory:
        contender = Keeping(found, Path(directory))
        contender.kept = kept
        contender.prepare()
        with on_stage(contender, Options(), ("front", "worker")) as stage:
            rate = SHARE * burst(stage)
            print(f"{rate:,.0f} webhooks a second for {minutes} minutes; what is finished is kept for {kept:g}\n")
            print(f"| {' | '.join(TITLES)} |")
            shown = [minute(stage, number, rate) for number in range(1, minutes + 1)]
            print(verdict(shown, kept))
        for problem in stage.sample.problems:
            print(problem)


def burst(stage: Stage) -> float:
    """Webhooks processed in a second when they come as fast as they are answered."""
    stage.load(events(stage.contender, BURST, SESSIONS), CONNECTIONS)
    started = time.monotonic()
    outcome = stage.load(events(stage.contender, BURST, SESSIONS), CONNECTIONS)
    return BURST / (stage.settle(BURST) - min(started, outcome.started))


def minute(stage: Stage, number: int, rate: float) -> Minute:
    """Send at `rate` for a minute, and look."""
    load = Load(stage.contender.address, events(stage.contender, round(rate * MINUTE), SESSIONS), CONNECTIONS, rate)
    outcome = run_load(load)
    if outcome.succeeded != len(load.requests):
        stage.problem(f"minute {number}: statuses {dict(outcome.statuses)}")
    late = sorted(1000 * one for one in outcome.latencies)
    queued, row = stage.tables.queued(), stage.tables.connection.execute(SIZES).fetchone()
    table, indexes, rows, dead = row or (0, 0, 0, 0)
    found = Minute(
        outcome.succeeded / outcome.seconds,
        statistics.median(late),
        late[int(len(late) * 0.99)],
        queued,
        int(rows),
        int(dead),
        float(table),
        float(indexes),
    )
    print(
        f"| {number} | {found.rate:,.0f} | {found.p50:.1f} | {found.p99:.1f} | {found.queued} | {found.rows:,} |"
        f" {found.dead:,} | {found.table:,.0f} | {found.indexes:,.0f} |",
        flush=True,
    )
    return found


def verdict(shown: list[Minute], kept: float) -> str:
    """How the last third of the minutes compares with the first in which as many went as came."""
    steady = shown[int(kept) + 1 :]
    third = len(steady) // 3
    if not third:
        return "too short to tell: it takes several times as long as interactions are kept"
    first, last = steady[:third], steady[-third:]
    ratios = {
        name: statistics.median(getattr(one, name) for one in last)
        / statistics.median(getattr(one, name) for one in first)
        for name in ("p50", "p99", "rows", "table", "indexes")
    }
    return "last third to first, once as many went as came: " + ", ".join(
        f"{name} {x:.2f}" for name, x in ratios.items()
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else MINUTES, float(given[1]) if len(given) > 1 else float(KEPT))
