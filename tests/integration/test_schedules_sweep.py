"""Sessions that end by themselves, and their schedules."""

from pumice.agents.scheduling import Unschedule
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.sweep import Sweeper
from pumice.settings import Settings
from tests.support.protocol import AGENT, Protocol, new
from tests.support.schedules import every, once, rows, run, turn


def sweep(protocol: Protocol) -> list[str]:
    """Sweep what has had its time. Returns the sessions that are left."""
    protocol.query("update sessions set expires_at = now() - interval '1 s' where temporary")
    protocol.query("update sessions set created_at = now() - interval '1 year'")
    list(Sweeper(Settings.from_env({"DATABASE_URL": protocol.settings.database_url})).round(protocol.store))
    return [row["id"] for row in protocol.query("select id from sessions order by id")]


def temporary(protocol: Protocol) -> None:
    protocol.accept(new(temporary=True))
    run(protocol)


def test_a_temporary_session_waits_for_what_it_is_to_do_once(protocol: Protocol):
    temporary(protocol)
    turn(protocol, once(delay=1_000.0))
    assert sweep(protocol) == ["s"]
    turn(protocol, Unschedule("k"))
    assert sweep(protocol) == []


def test_a_recurring_schedule_ends_with_its_temporary_session(protocol: Protocol):
    temporary(protocol)
    turn(protocol, every(1_000.0))
    assert sweep(protocol) == []
    assert rows(protocol) == {}


def test_a_temporary_parent_is_buried_without_its_schedules(protocol: Protocol):
    temporary(protocol)
    turn(protocol, every(1_000.0))
    fork(protocol.store, AGENT, "s", NewFork("child"))
    assert "child" in sweep(protocol)
    assert protocol.query("select session_id from schedules") == []


def test_a_session_that_only_has_a_schedule_is_not_empty(protocol: Protocol):
    protocol.query("insert into sessions (agent_id, id) values (%s, 'a'), (%s, 'b')", AGENT, AGENT)
    protocol.query(
        "insert into schedules (agent_id, session_id, key, method, payload, next_at)"
        " values (%s, 'a', 'k', 'm', '{}', now() + interval '1 day')",
        AGENT,
    )
    assert sweep(protocol) == ["a"]
