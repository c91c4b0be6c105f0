"""An uncommitted transaction holds up what needs the same rows, for a while, and nothing else of the front."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from pumice.errors import Internal, StoreBusy
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import WakePublisher
from pumice.sessions.connections import StoreConnections
from pumice.settings import Settings
from pumice.web.http.group_accept import GroupAccept
from tests.support.control import started
from tests.support.protocol import AGENT, new
from tests.support.waiting import wait_until


@pytest.fixture(params=["false", "true"], ids=["direct", "behind a pooler"])
def group(request, protocol, redis_url) -> Iterator[GroupAccept]:
    """A front's group accept."""
    settings = Settings.from_env(
        {
            "DATABASE_URL": protocol.settings.database_url,
            "REDIS_URL": redis_url,
            "DATABASE_POOLED": request.param,
        }
    )
    wakes = WakePublisher(settings)
    connections = StoreConnections(settings, 4, lock_wait=0.1)
    made = GroupAccept(settings, wakes, Outage(get_logger("test"), "postgres"), connections)
    yield made
    made.stop()
    wakes.stop()
    connections.close()


@contextmanager
def deleting(protocol: Any, session: str) -> Iterator[psycopg.Connection[Any]]:
    """A session whose deletion is not committed."""
    with psycopg.connect(protocol.settings.database_url) as connection:
        connection.execute("delete from sessions where agent_id = %s and id = %s", (AGENT, session))
        yield connection


def test_who_waits_for_a_lock_holds_up_no_other_session(protocol, group):
    protocol.accept(new("stuck"))
    with deleting(protocol, "stuck") as connection:
        waiting = [started(group.accept, new("stuck")) for _ in range(5)]
        others = [started(group.accept, new(f"s{number}")) for number in range(60)]
        assert [other.result(3).duplicate for other in others] == [False] * 60
        assert not any(one.done() for one in waiting)
        connection.rollback()
    assert [one.result(5).session_id for one in waiting] == ["stuck"] * 5
    assert len(protocol.interactions("stuck")) == 6


def test_who_waits_too_long_is_told_so_and_nothing_is_written(protocol, group):
    protocol.accept(new("stuck"))
    with deleting(protocol, "stuck") as connection:
        waiting = started(group.accept, new("stuck"))
        assert isinstance(waiting.exception(10), StoreBusy)
        connection.rollback()
    assert len(protocol.interactions("stuck")) == 1
    assert group.accept(new("stuck")).session_id == "stuck"


def test_a_key_that_is_not_committed_yet_holds_up_no_other(protocol, group):
    first = new("s", key="k")
    with psycopg.connect(protocol.settings.database_url) as connection:
        connection.execute(
            "insert into interactions (id, agent_id, session_id, kind, payload, dedupe_source, dedupe_key)"
            " values (%s, %s, 's', 'hook', '{}', 'hook', 'k')",
            (first.id, AGENT),
        )
        repeat = started(group.accept, new("s", key="k"))
        assert group.accept(new("t")).session_id == "t"
        connection.commit()
    assert (repeat.result(5).id, repeat.result().duplicate) == (first.id, True)


def test_what_postgres_refuses_fails_alone(protocol, group):
    with psycopg.connect(protocol.settings.database_url) as connection:
        connection.execute("lock table interactions in share row exclusive mode")
        bad = [started(group.accept, new(f"bad{number}", payload="{")) for number in range(2)]
        good = [started(group.accept, new(f"s{number}")) for number in range(40)]
        wait_until(lambda: len(group._aside._lanes) > 0, what="somebody who waits")
    assert [one.result(10).session_id for one in good] == [f"s{number}" for number in range(40)]
    assert [type(one.exception(10)) for one in bad] == [Internal] * 2
