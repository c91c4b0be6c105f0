"""Statements have names of their own, which Postgres sees, and rows of the type that they say."""

from typing import NamedTuple

import pytest

from pumice.sessions.statements import Statement


class Pair(NamedTuple):
    one: int
    other: str


class Query(NamedTuple):
    query: str


def test_rows_are_of_the_statements_type(protocol):
    statement = Statement("test_pair", "select 1 as one, 'x' as other", Pair)
    assert protocol.store.fetch(statement) == [Pair(1, "x")]
    assert protocol.store.fetch(statement)[0].other == "x"


def test_columns_in_another_order_are_refused(protocol):
    statement = Statement("test_swapped", "select 'x' as other, 1 as one", Pair)
    with pytest.raises(TypeError, match=r"test_swapped returns \('other', 'one'\), and Pair has \('one', 'other'\)"):
        protocol.store.fetch(statement)


def test_a_name_can_be_had_once():
    with pytest.raises(ValueError, match="two statements are named accept"):
        Statement("accept", "select 1 as one, 'x' as other", Pair)


def test_postgres_sees_the_name(protocol):
    statement = Statement("test_seen", "select query from pg_stat_activity where pid = pg_backend_pid()", Query)
    assert protocol.store.fetch(statement)[0].query.startswith("/* test_seen */ select query")
