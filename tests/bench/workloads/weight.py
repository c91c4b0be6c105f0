"""What a turn costs as things grow: the session's state, the history that is stored, the tables."""

import time

from tests.bench.stage import Stage, Window
from tests.bench.workloads.hooks import CONNECTIONS, SESSIONS
from tests.bench.workloads.traffic import events

SMALL, MIDDLE, LARGE = 1_000, 10_000, 100_000
"""Bytes of state, of random text that no compression shrinks much."""

STATES = 500
EVENTS_A_STATE = 4
FEW, MANY = 1_000, 1_000_000
TURNS = 10_000
WAVES = 10
PER_SESSION = 10


def state_size(stage: Stage) -> None:
    """Sessions whose state is 1 kB, then 10 and 100 kB: the workers' rate, and what Postgres writes ahead for it.

    A session's events are due together, so its state is saved at least once for all of them.
    """
    sessions = stage.count(STATES, paced=True)
    rates = {}
    for size in (SMALL, MIDDLE, LARGE):
        pads = [stage.contender.hook({"session": f"s{n}", "n": n, "pad": size}) for n in range(sessions)]
        stage.load(pads, CONNECTIONS)
        stage.settle(sessions)
        name = f"{size // 1000} kB"
        written = stage.tables.wal_bytes()
        rates[size] = drain(stage, name, sessions * EVENTS_A_STATE, sessions)[2]
        stage.record(f"{name} turns/s", rates[size])
        stage.record(f"{name} WAL kB/turn", (stage.tables.wal_bytes() - written) / 1000 / (sessions * EVENTS_A_STATE))
    stage.record("100 kB/1 kB", rates[LARGE] / rates[SMALL])
    stage.record("100 kB states saved/s", rates[LARGE] / EVENTS_A_STATE)
    stage.record("bare 100 kB updates/s", stage.tables.bare_updates(LARGE))
    stage.check_events(3 * sessions * (1 + EVENTS_A_STATE))


def history(stage: Stage) -> None:
    """What accepting and running cost with 1,000 finished interactions stored, and with 1,000,000 and more sessions."""
    turns, costs = stage.count(TURNS), []
    stage.load([stage.contender.hook({"session": "s0", "n": 0})], 1)
    stage.settle(1)
    stored = 1
    for goal, sessions in ((FEW, 0), (stage.count(MANY), stage.count(MANY) // PER_SESSION)):
        stage.tables.copy_interactions(goal - stored, SESSIONS)
        stage.tables.copy_sessions("s0", sessions, "idle")
        stage.tables.vacuum()
        accepting, running, rate = drain(stage, f"{goal:,} stored", turns, SESSIONS)
        costs.append((_cost(accepting, "front", turns), _cost(running, "worker", turns)))
        stage.record(f"{goal:,} turns/s", rate)
        stage.record(f"{goal:,} CPU ms/accept", costs[-1][0])
        stage.record(f"{goal:,} CPU ms/turn", costs[-1][1])
        stored = goal + turns
    stage.record("many/few cost", costs[1][1] / costs[0][1])
    stage.record("many/few accept cost", costs[1][0] / costs[0][0])


def _cost(window: Window, role: str, count: int) -> float:
    """Milliseconds of one role's CPU, and of Postgres's, for each of so many."""
    return 1000 * (window.usage.seconds[role] + window.usage.seconds["postgres"]) / count


def bloat(stage: Stage) -> None:
    """Wave after wave on the same sessions: whether the rate holds, and how large the tables have become."""
    wave, speeds = stage.count(10_000), []
    for number in range(WAVES):
        with stage.measured(f"wave {number + 1}") as window:
            outcome = window.load(events(stage.contender, wave, SESSIONS), CONNECTIONS)
            settled = stage.settle(wave)
        speeds.append(wave / (settled - outcome.started))
    stage.record("first processed/s", speeds[0])
    stage.record("last processed/s", speeds[-1])
    for table, (size, live, dead, updates, hot) in stage.tables.tables().items():
        stage.record(f"{table} MB", size / 1e6)
        stage.record(f"{table} dead/live", dead / max(1, live))
        stage.record(f"{table} HOT %", 100 * hot / max(1, updates))
    stage.check_events(wave * WAVES)


def drain(stage: Stage, name: str, count: int, sessions: int) -> tuple[Window, Window, float]:
    """Let events pile up with the workers stopped; return what that and their removal cost, and the latter's rate."""
    stage.pause_workers()
    with stage.measured(f"{name}, accepting") as accepting:
        accepting.load(events(stage.contender, count, sessions), CONNECTIONS)
    with stage.measured(name) as window:
        started = time.monotonic()
        stage.resume_workers()
        settled = stage.settle(count)
    return accepting, window, count / (settled - started)
