"""Counters of what happened in any process, kept in Postgres so that every front shows the same totals."""

from collections.abc import Mapping
from typing import Any

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement

ADD = Statement(
    "add_counts",
    """
insert into counters (name, value)
select name, value from json_to_recordset(%(counts)s::json) as c(name text, value bigint) order by name
on conflict (name) do update set value = counters.value + excluded.value
""",
    NoRow,
)
"""Adds to counters; one that is new begins at 0."""


def add_counts(store: StoreConnection, counts: Mapping[str, int]) -> None:
    """Add to counters, by name. Raises `StoreAwayError`; then it may or may not have happened."""
    rows: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in counts.items()]
    store.fetch(ADD, {"counts": json_rows(rows)})
