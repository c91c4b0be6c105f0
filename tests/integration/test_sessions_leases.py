"""Leases while other transactions hold their rows: one locked row never stands in the way of the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import announce_running, release, renew
from tests.support.protocol import done, new


@contextmanager
def locked(settings, statement) -> Iterator[None]:
    """Another transaction that holds these rows for as long as the block lasts."""
    with psycopg.connect(settings.database_url) as other:
        other.execute(statement)
        yield
        other.rollback()


def leases_of(protocol, *sessions):
    protocol.accept(*(new(session) for session in sessions))
    return {one.lease.session_id: one.lease for one in protocol.claim(*sessions)}


@pytest.fixture
def hasty(protocol) -> Iterator[StoreConnection]:
    """A connection that gives up soon on a row that another transaction holds, as the watcher's does."""
    store = StoreConnection(protocol.settings, durable=False)
    yield store
    store.close()


def test_a_locked_row_ends_no_lease(protocol, hasty):
    leases = leases_of(protocol, "a", "b", "c")
    before = {name: protocol.session(name)["lease_until"] for name in leases}
    with locked(protocol.settings, "select from sessions where id = 'b' for update"):
        assert renew(hasty, leases.values(), 60) == set(leases.values())
    renewed = {name for name in leases if protocol.session(name)["lease_until"] > before[name]}
    assert renewed == {"a", "c"}


def test_many_leases_are_renewed(protocol, hasty):
    leases = leases_of(protocol, *(f"s{number}" for number in range(1000)))
    assert renew(hasty, leases.values(), 60) == set(leases.values())
    assert (
        protocol.query("select count(*) as n from sessions where lease_until > now() + interval '50 s'")[0]["n"] == 1000
    )


def test_a_locked_row_keeps_no_other_lease_from_going_back(protocol, hasty):
    leases = leases_of(protocol, "a", "b", "c")
    with locked(protocol.settings, "select from sessions where id in ('a', 'b') for update"):
        release(hasty, leases.values())
        assert protocol.session("c")["lease_token"] is None
        assert protocol.session("a")["lease_token"] == leases["a"].token
    release(hasty, leases.values())
    assert [protocol.session(name)["lease_token"] for name in leases] == [None] * 3


def test_what_runs_is_announced_under_its_lease_alone(protocol, hasty):
    protocol.accept(new("a"), new("b"), new("c"))
    claimed = {one.lease.session_id: one for one in protocol.claim("a", "b", "c")}
    running = [(one.lease, one.work[0].id) for one in claimed.values()]
    protocol.finish(claimed["b"], done(claimed["b"].work[0]))
    finished = protocol.interactions("b")[0]["started_at"]
    with locked(protocol.settings, "select from interactions where session_id = 'c' for update"):
        announce_running(hasty, running)
    assert protocol.interactions("a")[0]["started_at"] is not None
    assert protocol.interactions("b")[0]["started_at"] == finished
    assert protocol.interactions("c")[0]["started_at"] is None
