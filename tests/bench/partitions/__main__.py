"""`python -m tests.bench.partitions [interactions]`: what other schemas of `interactions` do to accept, claim, commit.

One process accepts, claims and commits on a Postgres of its own, without fronts, workers and a broker. The schemas take
turns, so that a noisy machine is the same to all. Autovacuum is off; a vacuum at the end is timed instead. Printed are
medians and, in brackets, medians of each round's ratio to today's schema; then which repeats are known and who waits
for whom; then what deleting a day's interactions takes. Everything accepted must have been committed once.
"""

import random
import statistics
import sys
import time
from collections.abc import Sequence

from pumice.cli.database import upgrade_schema
from pumice.dev.postgres import Postgres
from pumice.dev.servers import temporary_postgres
from tests.bench.partitions.differences import forget, repeats, waits
from tests.bench.partitions.schemas import SCHEMAS
from tests.bench.partitions.tables import TEMPLATE, Tables, fresh, interaction, turns
from tests.bench.stack.usage import Meter
from tests.support.databases import run

INTERACTIONS, ROUNDS, SESSIONS = 20_000, 3, 1_000
BATCH, BACKLOG = 100, 1_000
WRONG = """
select (select count(*) from interactions where status = 'done' and attempts = 1),
  (select count(distinct id) from interactions), (select sum(version) from sessions),
  (select sum((state ->> 'count')::int) from sessions), (select count(*) from (select point,
    row_number() over (partition by session_id order by seq) as place from interactions) p where point <> place)
"""
"""Interactions that are done, ids, turns, what the states counted, and interactions that ran out of order."""
Figures = dict[str, list[dict[str, float]]]
"""By schema, what each round gave."""


def main(count: int = INTERACTIONS) -> None:
    """Measure, and print the tables."""
    with temporary_postgres({"autovacuum": "off"}) as server:
        run(server.url(), "create database {}", TEMPLATE)
        upgrade_schema(server.url(TEMPLATE))
        speeds: Figures = {schema.name: [] for schema in SCHEMAS}
        forgotten: Figures = {schema.name: [] for schema in SCHEMAS if schema.dropped or schema is SCHEMAS[0]}
        for number in range(ROUNDS):
            for schema in SCHEMAS[:: 1 if number % 2 == 0 else -1]:
                with fresh(server, schema) as tables:
                    speeds[schema.name].append(measure(tables, count))
                    if schema.name in forgotten:
                        forgotten[schema.name].append(forget(tables))
        show(speeds)
        show_differences(server)
        show(forgotten)


def measure(tables: Tables, count: int) -> dict[str, float]:
    """Accept, claim and commit so many interactions, a backlog of them at a time."""
    chosen = random.Random(count)  # noqa: S311 (the same sessions in each turn, and no secret)
    tables.view.execute("checkpoint")
    meter, written, accepting, working = Meter({"postgres": [tables.postmaster]}), tables.wal(), 0.0, 0.0
    for first in range(0, count, BACKLOG):
        places = range(first, min(first + BACKLOG, count))
        made = [interaction(f"s{chosen.randrange(SESSIONS)}", f"{place}") for place in places]
        began = time.perf_counter()
        for at in range(0, len(made), BATCH):
            tables.accept(*made[at : at + BATCH])
        accepting += time.perf_counter() - began
        working += work(tables, list(dict.fromkeys(one.session_id for one in made)))
    cpu, written = meter.read().seconds["postgres"], tables.wal() - written
    check(tables, count)
    table, indexes, _ = tables.sizes()
    began = time.perf_counter()
    tables.view.execute("vacuum interactions")
    vacuum = time.perf_counter() - began
    return {
        "accepts/s": count / accepting,
        "claims + commits/s": count / working,
        "CPU, ms": 1000 * cpu / count,
        "WAL, bytes": written / count,
        "table, MB": table,
        "indexes, MB": indexes,
        "vacuum, ms": 1000 * vacuum,
    }


def work(tables: Tables, sessions: Sequence[str]) -> float:
    """Claim these sessions and commit their turns. Returns the seconds that took, without the turns themselves."""
    seconds = 0.0
    for at in range(0, len(sessions), BATCH):
        began = time.perf_counter()
        claimed = tables.claim(sessions[at : at + BATCH])
        seconds += time.perf_counter() - began
        ended = [turns(one) for one in claimed]
        began = time.perf_counter()
        tables.commit(ended)
        seconds += time.perf_counter() - began
    return seconds


def check(tables: Tables, count: int) -> None:
    """Raise `SystemExit` unless everything accepted was committed once, each session's in order."""
    found = tables.one(WRONG)
    if found != (count, count, count, count, 0):
        raise SystemExit(f"{tables.schema.name}: done, ids, turns, counted, out of order: {found} of {count}")


def show(figures: Figures) -> None:
    """Print a table of medians, with the medians of the rounds' ratios to the first schema."""
    base = next(iter(figures.values()))
    rows = [["", *base[0]], ["---"] * (len(base[0]) + 1)]
    for name, rounds in figures.items():
        rows.append([name])
        for what in base[0]:
            ratios = [one[what] / first[what] for one, first in zip(rounds, base, strict=True) if first[what]]
            ratio = f" ({statistics.median(ratios):.2f})" if ratios and rounds is not base else ""
            rows[-1].append(rounded(statistics.median(one[what] for one in rounds)) + ratio)
    print(*map(line, rows), "", sep="\n", flush=True)


def show_differences(server: Postgres) -> None:
    """Print what each schema knows as a repeat, and who waits for whom in it."""
    rows: list[list[str]] = []
    for schema in SCHEMAS:
        with fresh(server, schema) as tables:
            facts = {**repeats(tables), **waits(tables)}
        rows += [] if rows else [["", *facts], ["---"] * (len(facts) + 1)]
        rows.append([schema.name, *("yes" if fact else "no" for fact in facts.values())])
    print(*map(line, rows), "", sep="\n", flush=True)


def rounded(number: float) -> str:
    """A number with three digits, or all those before its point."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
    return f"{number:,.{digits}f}"


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
