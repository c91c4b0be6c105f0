"""Rescue: expired leases, lost workers, work that nobody woke."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice.sessions.leases import announce
from pumice.sessions.presence import WORKER_LOCKS
from pumice.sessions.rescue import ELECTION, rescue
from pumice.sessions.ticks import Tick, insert_ticks
from tests.support.protocol import AGENT, done, new
from tests.support.waiting import wait_until


def passed(steps, crash_limit=3):
    """The findings of a pass."""
    found = rescue(steps.store, crash_limit=crash_limit)
    assert found is not None
    return found


def make_due(steps, session="s"):
    steps.query("update interactions set wake_at = now() where session_id = %s", session)


def crash(steps, session="s", *, announced=True):
    """A worker claims the session, begins its first turn and is never heard of again; its lease has run out."""
    claimed = steps.claim_one(session)
    if claimed.probation and announced:
        assert announce(steps.store, claimed.lease, claimed.work[0].id)
    steps.query("update sessions set lease_until = now() - interval '1 s' where id = %s", session)
    make_due(steps, session)
    return claimed


def test_what_was_just_accepted_is_left_to_its_wake(protocol):
    protocol.accept(new())
    assert passed(protocol).wakes == []


def test_due_work_that_nobody_woke_is_woken_once_in_a_while(protocol):
    protocol.accept(new("a", "chat"), new("b"), new("b"))
    make_due(protocol, "a")
    make_due(protocol, "b")
    found = passed(protocol)
    assert sorted(found.wakes) == [(AGENT, "a", "chat"), (AGENT, "b", "hook")]
    assert (found.alone, found.dead) == ([], [])
    assert passed(protocol).wakes == []
    assert protocol.interactions("a")[0]["wake_at"] > datetime.now(UTC) + timedelta(seconds=5)


def test_work_for_later_is_woken_when_it_is_due(protocol):
    protocol.accept(new())
    protocol.query("update interactions set available_at = now() + interval '1 h', wake_at = now() + interval '1 h'")
    assert passed(protocol).wakes == []
    protocol.query("update interactions set available_at = now(), wake_at = now()")
    assert passed(protocol).wakes == [(AGENT, "s", "hook")]


def test_a_session_that_is_held_is_looked_at_again_soon(protocol, rival):
    protocol.accept(new())
    rival.claim_one()
    make_due(protocol)
    assert passed(protocol).wakes == []
    wake_at = protocol.interactions()[0]["wake_at"]
    assert wake_at < datetime.now(UTC) + timedelta(seconds=2)


def test_an_expired_lease_is_freed_and_counts_as_an_attempt(protocol, rival):
    protocol.accept(new(), new())
    lost = crash(rival)
    found = passed(protocol)
    assert (found.wakes, found.alone, found.dead) == ([], [(AGENT, "s", "hook")], [])
    first, second = protocol.interactions()
    assert (first["attempts"], first["status"], first["errors"][0]["type"]) == (1, "queued", "WorkerLost")
    assert (second["attempts"], second["errors"]) == (0, None)
    assert (protocol.session()["probation"], protocol.session()["lease_token"]) == (True, None)
    assert not rival.finish(lost, done(lost.work[0], state={"n": 1}))


def test_a_success_ends_the_care(protocol, rival):
    protocol.accept(new(), new())
    crash(rival)
    passed(protocol)
    for _ in range(2):
        claimed = protocol.claim_one()
        protocol.finish(claimed, done(claimed.work[0]))
    assert not protocol.session()["probation"]
    assert protocol.statuses() == ["done", "done"]


def test_the_culprit_is_dead_at_the_limit_and_holds_up_nothing(protocol, rival):
    poison, other = new(reply_to="front"), new()
    protocol.accept(poison, other)
    for _ in range(2):
        crash(rival)
        assert passed(protocol).dead == []
    crash(rival)
    (dead,) = passed(protocol).dead
    assert (dead.id, dead.reply_to, dead.attempts) == (poison.id, "front", 3)
    row = protocol.interactions()[0]
    assert row["reason"] == "dead after 3 attempts: its worker was lost 3 times"
    assert [error["attempt"] for error in row["errors"]] == [1, 2, 3]
    claimed = protocol.claim_one()
    assert claimed.work[0].id == other.id
    protocol.finish(claimed, done(claimed.work[0]))
    assert protocol.statuses() == ["dead", "done"]


def test_who_was_not_running_is_not_blamed(protocol, rival):
    protocol.accept(new())
    crash(rival)
    passed(protocol)
    for _ in range(5):
        crash(rival, announced=False)
        assert passed(protocol).dead == []
    assert protocol.interactions()[0]["attempts"] == 1


def test_a_session_deleted_under_its_work_is_made_again(protocol):
    protocol.accept(new())
    protocol.query("delete from sessions")
    make_due(protocol)
    assert passed(protocol).wakes == [(AGENT, "s", "hook")]
    assert len(protocol.claim("s")) == 1


def test_one_rescuer_at_a_time(protocol, rival):
    with rival.store.transaction():
        rival.store.connection.execute("select pg_advisory_xact_lock(%s)", (ELECTION,))
        assert rescue(protocol.store, crash_limit=3) is None
    assert rescue(protocol.store, crash_limit=3) is not None


@pytest.fixture
def worker(rival):
    """The id of a worker that lives as long as the connection of `rival` does."""
    row = rival.query("insert into workers (name, holds_lock) values ('w', true) returning id")[0]
    rival.store.connection.execute("select pg_advisory_lock(%s, %s::bigint::int)", (WORKER_LOCKS, row["id"]))
    return row["id"]


def test_a_worker_whose_connection_is_gone_is_noticed_before_its_leases_end(protocol, rival, worker):
    protocol.accept(new())
    protocol.claim_one(worker=worker, lease_seconds=600)
    assert passed(protocol).alone == []
    rival.close()
    found = wait_until(lambda: passed(protocol).alone, 10, "the end of the worker's lease")
    assert found == [(AGENT, "s", "hook")]
    assert protocol.query("select id from workers") == []


def test_a_worker_that_lives_is_not_suspected(protocol, worker):
    protocol.accept(new())
    protocol.claim_one(worker=worker)
    for _ in range(3):
        passed(protocol)
    assert protocol.query("select suspected_at from workers") == [{"suspected_at": None}]


def test_a_worker_that_comes_back_in_time_is_trusted_again(protocol, rival, worker):
    rival.close()
    wait_until(lambda: passed(protocol) and protocol.query("select 1 as n from workers where suspected_at is not null"))
    rival.store.connection.execute("select pg_advisory_lock(%s, %s::bigint::int)", (WORKER_LOCKS, worker))
    passed(protocol)
    assert protocol.query("select suspected_at from workers") == [{"suspected_at": None}]


def test_ticks_that_stand_still_are_gone_on_with(protocol):
    tick = Tick(AGENT, "job", datetime(2025, 6, 1, tzinfo=UTC))
    insert_ticks(protocol.store, [tick])
    assert passed(protocol).ticks == []
    protocol.query("update ticks set progressed_at = now() - interval '10 s'")
    assert [(row.agent_id, row.job, row.scheduled_for) for row in passed(protocol).ticks] == [
        (AGENT, "job", tick.scheduled_for)
    ]
    assert passed(protocol).ticks == []
