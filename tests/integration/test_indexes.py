"""Indexes that an agent declares: workers make them, and conditions use them and find the same."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from hashlib import sha512
from typing import Any, Literal

import psycopg
import pytest
from sqlalchemy import select

from pumice import Agent
from pumice.agents.conditions import read_condition, read_index
from pumice.agents.names import SESSION_ID_LENGTH
from pumice.errors import DeclarationError
from pumice.sessions import connections
from pumice.sessions.conditions import as_sql
from pumice.sessions.engine import make_engine
from pumice.sessions.indexes import create_indexes, has_indexes, index_name
from pumice.sessions.models import SessionRow
from pumice.sessions.queries import set_metadata
from pumice.settings import Settings
from pumice_workers.index_maker import IndexMaker
from tests.support.databases import database
from tests.support.protocol import AGENT, Protocol
from tests.support.stack import running_stack
from tests.support.waiting import wait_until

COUNT = 4_000


class Shop(Agent):
    indexes = (
        "state.plan",
        "state.total",
        "state.size",
        "metadata.region",
        "metadata.it's",
        "metadata.rate%",
        "state.price",
    )

    class State(Agent.State):
        plan: str = ""
        total: int = 0
        size: Literal["s", "l"] = "s"
        paid: bool = False
        price: Decimal = Decimal(0)


FIELDS = [read_index(Shop.State, field, "indexes") for field in Shop.indexes]


@pytest.fixture
def engine(protocol: Protocol, protocol_database: str) -> Any:
    """Many sessions of two agents."""
    made = make_engine(Settings.from_env({"DATABASE_URL": protocol_database}))
    for agent in (AGENT, "other"):
        protocol.query(
            "insert into sessions (agent_id, id, state, metadata) select %s, 's' || n, "
            "json_build_object('plan', 'p' || n, 'total', n, 'size', case when n = 7 then 'l' else 's' end, "
            "'price', n || '.50'), "
            "jsonb_build_object('region', 'r' || n, 'it''s', 'i' || n, 'rate%%', 'h' || n) "
            "from generate_series(1, %s) n",
            agent,
            COUNT,
        )
    protocol.query("analyze sessions")
    yield made
    for row in protocol.query("select indexname from pg_indexes where indexname like 'sessions_by_%%'"):
        protocol.query(f"drop index {row['indexname']}")
    made.dispose()


def plan(engine: Any, condition: dict[str, Any]) -> str:
    """How Postgres would look for the sessions."""
    query = select(SessionRow.id).where(SessionRow.agent_id == AGENT, as_sql(read_condition(Shop.State, condition)))
    compiled = query.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("explain " + str(compiled), compiled.params)
        return "\n".join(row[0] for row in cursor.fetchall())


def found(engine: Any, condition: dict[str, Any]) -> list[str]:
    query = select(SessionRow.id).where(SessionRow.agent_id == AGENT, as_sql(read_condition(Shop.State, condition)))
    with engine.connect() as connection:
        return sorted(connection.execute(query).scalars())


@pytest.mark.parametrize(
    ("condition", "field", "expected"),
    [
        ({"state.plan": "p5"}, 0, ["s5"]),
        ({"state.plan": {"in": ["p5", "p6", "none"]}}, 0, ["s5", "s6"]),
        ({"state.plan": {"gte": "p999", "lt": "q"}}, 0, ["s999"]),
        ({"state.total": 5}, 1, ["s5"]),
        ({"state.total": {"lt": 3}}, 1, ["s1", "s2"]),
        ({"state.size": "l"}, 2, ["s7"]),
        ({"metadata.region": "r9", "state.paid": {"ne": True}}, 3, ["s9"]),
        ({"metadata.it's": "i9"}, 4, ["s9"]),
        ({"metadata.rate%": "h9"}, 5, ["s9"]),
        ({"state.price": {"lt": "3"}}, 6, ["s1", "s2"]),
        ({"state.price": "9.5"}, 6, ["s9"]),
    ],
)
def test_conditions_use_them(protocol, engine, condition, field, expected):
    before = found(engine, condition)
    assert index_name(AGENT, FIELDS[field]) not in plan(engine, condition)
    assert create_indexes(protocol.settings, AGENT, FIELDS) == list(Shop.indexes)
    protocol.query("analyze sessions")
    assert index_name(AGENT, FIELDS[field]) in plan(engine, condition)
    assert found(engine, condition) == before == expected


def test_they_are_made_once_and_one_that_was_broken_off_is_made_anew(protocol, engine):
    create_indexes(protocol.settings, AGENT, FIELDS[:2])
    assert create_indexes(protocol.settings, AGENT, FIELDS[:2]) == []
    broken = index_name(AGENT, FIELDS[0])
    protocol.query("update pg_index set indisvalid = false where indexrelid = %s::regclass", broken)
    assert create_indexes(protocol.settings, AGENT, FIELDS[:2]) == ["state.plan"]
    assert index_name("other", FIELDS[0]) != broken


@pytest.mark.parametrize("field", ["state.plan", "metadata.region"])
def test_texts_of_any_length_are_stored_and_found(protocol, engine, field):
    create_indexes(protocol.settings, AGENT, FIELDS)
    longest = "\U0001f600" * SESSION_ID_LENGTH
    digests = "".join(sha512(str(number).encode()).hexdigest() for number in range(400))
    begins, wide = f"z{digests}", "".join(chr(0x20000 + number) for number in range(12_000))
    for session, text in {"long": begins, "longer": f"{begins}x", longest: wide}.items():
        where = dict([field.split(".")])
        name = where.get("state") or where["metadata"]
        document = json.dumps({name: text}, ensure_ascii=False)
        protocol.query(
            "insert into sessions (agent_id, id, state, metadata) values (%s, %s, %s, %s)",
            AGENT,
            session,
            document,
            document,
        )
    assert found(engine, {field: begins}) == ["long"]
    assert found(engine, {field: {"in": [begins, wide]}}) == ["long", longest]
    assert found(engine, {field: {"gt": begins}}) == ["longer", longest]
    assert found(engine, {field: {"gte": begins, "lt": f"{begins}x"}}) == ["long"]
    assert found(engine, {field: {"gt": "z", "lte": begins}}) == ["long"]
    assert index_name(AGENT, FIELDS[Shop.indexes.index(field)]) in plan(engine, {field: begins})


def test_metadata_that_is_indexed_may_be_as_long_as_any(protocol, engine):
    create_indexes(protocol.settings, AGENT, FIELDS)
    text = "".join(sha512(str(number).encode()).hexdigest() for number in range(94))
    assert set_metadata(engine, AGENT, "s1", {"region": text})
    assert found(engine, {"metadata.region": text}) == ["s1"]


def test_one_that_takes_longer_than_a_statement_of_a_turn_may_is_made(protocol, engine, monkeypatch):
    monkeypatch.setattr(connections, "UNANSWERED", 0.2)
    waits = (
        "select 1 from pg_stat_activity where query like 'create index concurrently%%' and wait_event_type = 'Lock' "
        "and clock_timestamp() > query_start + interval '1 second'"
    )
    with ThreadPoolExecutor(1) as pool, psycopg.connect(protocol.settings.database_url) as older:
        older.execute("lock table sessions in row exclusive mode")
        made = pool.submit(create_indexes, protocol.settings, AGENT, FIELDS[:1])
        wait_until(lambda: made.done() or protocol.query(waits), 30, "an index that waits")
        assert create_indexes(protocol.settings, AGENT, FIELDS[:1]) == []  # another makes it
        older.rollback()
        assert made.result() == ["state.plan"]
    assert has_indexes(protocol.store, AGENT, FIELDS[:1])


def test_an_agent_whose_index_fails_keeps_no_other_from_its_own(protocol, engine):
    protocol.query("insert into sessions (agent_id, id, state) values (%s, 'torn', %s)", AGENT, r'{"plan": "\ud800"}')
    maker = IndexMaker(protocol.settings, {AGENT: [FIELDS[0], FIELDS[3]], "other": FIELDS[:1]})
    maker.step(protocol.store)
    assert has_indexes(protocol.store, "other", FIELDS[:1])
    assert has_indexes(protocol.store, AGENT, FIELDS[3:4])
    assert not has_indexes(protocol.store, AGENT, FIELDS[:1])
    assert not maker.step(protocol.store)  # it is tried again later


def test_a_worker_makes_them(postgres_server, valkey_server, migrated_template):
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(12)}
        with running_stack(environ, "shop=tests.integration.test_indexes:Shop") as stack:
            query = "select indexname from pg_indexes where indexname like 'sessions_by_%%'"
            wait_until(lambda: len(stack.query(query)) == len(Shop.indexes), 30, "the indexes")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("state.plan", "must be a list"),
        (["state.nothing"], "unknown"),
        (["createdAt"], "indexed or small already"),
        (["state.home"], "must be a text"),
        (["state.since"], "is a time"),
    ],
)
def test_what_can_not_be_indexed_is_refused(fields, why):
    with pytest.raises(DeclarationError, match=why):

        class Wrong(Agent):
            indexes = fields

            class State(Agent.State):
                plan: str = ""
                home: dict[str, Any] = {}
                since: datetime | None = None
