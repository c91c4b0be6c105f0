"""Connections to Postgres: bounded in number and time, and always to the server that takes writes."""

import threading
import time
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pumice.cli.database import upgrade_schema
from pumice.dev.servers import temporary_postgres
from pumice.errors import StoreAwayError, StoreBusy, StoreBusyError
from pumice.sessions import connections
from pumice.sessions.connections import StoreConnection, StoreConnections
from pumice.sessions.engine import make_engine
from pumice.sessions.readiness import WriteCheck
from pumice.sessions.statements import NoRow, Statement
from pumice.settings import Settings
from pumice.web.http.problems import as_problem
from tests.support.waiting import wait_until


class One(NamedTuple):
    one: int


class Port(NamedTuple):
    port: int


SLEEP = Statement("test_sleep", "select 1 as one from pg_sleep(3)", One)
PORT = Statement("test_port", "select inet_server_port() as port", Port)
WRITE = Statement("test_write", "insert into agents (id) values (%(id)s)", NoRow)


def test_a_borrower_waits_for_a_while_and_no_longer(settings, monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    lent = StoreConnections(settings, 1)
    began = time.monotonic()
    with lent.borrow(), pytest.raises(StoreBusyError, match="All 1 connections"), lent.borrow():
        pass
    assert time.monotonic() - began < 2
    waiting = threading.Event()
    monkeypatch.setattr(connections, "PATIENCE", 10)

    def borrow():
        with lent.borrow():
            waiting.set()

    with lent.borrow():
        thread = threading.Thread(target=borrow)
        thread.start()
    thread.join(10)
    assert waiting.is_set()
    lent.close()


def test_a_statement_that_goes_unanswered_ends_its_connection(protocol, monkeypatch):
    monkeypatch.setattr(connections, "UNANSWERED", 0.2)
    first = protocol.store.connection
    with pytest.raises(StoreAwayError):
        protocol.store.fetch(SLEEP)
    with pytest.raises(StoreAwayError), protocol.store.transaction() as transaction:
        transaction.fetch(SLEEP)
    monkeypatch.undo()
    assert protocol.store.fetch(PORT)
    assert protocol.store.connection is not first


@pytest.mark.parametrize("pooled", ["false", "true"])
def test_a_slow_query_of_a_front_is_ended(database_url, pooled):
    engine = make_engine(Settings.from_env({"DATABASE_URL": database_url, "DATABASE_POOLED": pooled}), limit=1)
    with pytest.raises(DBAPIError) as caught, engine.connect() as connection:
        connection.execute(text("select pg_sleep(5)"))
    assert isinstance(as_problem(caught.value), StoreBusy)
    with engine.connect() as connection:
        assert connection.execute(text("select 1")).scalar_one() == 1
    engine.dispose()


@pytest.fixture
def two_servers():
    """The ports of two servers, of which the first takes writes; and what turns that round."""
    with ExitStack() as opened:
        servers = [opened.enter_context(temporary_postgres({"fsync": "off"})) for _ in range(2)]
        for server in servers:
            upgrade_schema(server.url("postgres"))
        turn(servers[1], "on")
        yield servers


def turn(server, read_only):
    settings = Settings.from_env({"DATABASE_URL": server.url("postgres")})
    store = StoreConnection(settings)
    store.connection.execute(f"alter system set default_transaction_read_only = {read_only}")
    store.connection.execute("select pg_reload_conf()")
    shown = f"select 1 from pg_settings where name = 'default_transaction_read_only' and setting = '{read_only}'"
    wait_until(lambda: store.connection.execute(shown).fetchone(), what="the changed setting")
    store.close()


def test_a_failover_is_followed_without_a_restart(two_servers):
    first, second = two_servers
    both = f"postgresql://postgres@127.0.0.1:{second.port},127.0.0.1:{first.port}/postgres"
    settings = Settings.from_env({"DATABASE_URL": both})
    store, engine, check = StoreConnection(settings), make_engine(settings), WriteCheck(settings)
    upgrade_schema(both)

    def ports():
        check.demand()
        with engine.connect() as connection:
            through_engine = connection.execute(text("select inet_server_port()")).scalar_one()
        return store.fetch(PORT)[0].port, through_engine

    assert ports() == (first.port, first.port)
    turn(first, "on")
    turn(second, "off")
    with pytest.raises(StoreAwayError, match="takes no writes"):
        store.fetch(WRITE, {"id": "one"})
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text("insert into agents (id) values ('two')"))
    assert ports() == (second.port, second.port)
    store.fetch(WRITE, {"id": "three"})
    store.close()
    engine.dispose()
