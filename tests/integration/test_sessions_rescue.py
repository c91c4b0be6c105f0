"""Rescue: expired leases, lost workers, work that nobody woke."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice.sessions.leases import announce, release
from pumice.sessions.presence import WORKER_LOCKS, bring_back
from pumice.sessions.rescue import ELECTION, rescue
from pumice.sessions.suspects import PARTS, clear
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
    claimed = steps.claim_one(session, group=steps.group(session))
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
    assert (found.suspects, found.dead) == (set(), [])
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
    assert (found.wakes, found.suspects, found.dead) == ([], {(AGENT, "s")}, [])
    first, second = protocol.interactions()
    assert (first["attempts"], first["crashes"], first["status"], first["errors"]) == (1, 1, "queued", None)
    assert (second["attempts"], second["errors"]) == (0, None)
    assert (protocol.session()["probation"], protocol.session()["lease_token"]) == (True, None)
    assert not rival.finish(lost, done(lost.work[0], state={"n": 1}))


def test_only_who_has_nothing_left_to_do_is_trusted_again(protocol, rival):
    """One by one, as a session is claimed whose agent merges or replaces: the culprit may be the second."""
    protocol.accept(new(), new())
    crash(rival)
    passed(protocol)
    group = protocol.group()
    for expected in (group, 0):
        claimed = protocol.claim_one(group=group, limit=1)
        protocol.finish(claimed, done(claimed.work[0]))
        clear(protocol.store, group)
        assert protocol.group() == expected
    assert protocol.statuses() == ["done", "done"]


def test_the_culprit_is_dead_at_the_limit_and_holds_up_nothing(protocol, rival):
    poison, other = new(reply_to="front"), new()
    protocol.accept(poison, other)
    for _ in range(3):
        crash(rival)
        assert passed(protocol).dead == []
    crash(rival)
    (dead,) = passed(protocol).dead
    assert (dead.id, dead.reply_to, dead.attempts) == (poison.id, "front", 4)
    row = protocol.interactions()[0]
    assert row["reason"] == "dead after 4 attempts: its worker was lost 3 times while it ran alone"
    assert [error["attempt"] for error in row["errors"]] == [2, 3, 4]
    claimed = protocol.claim_one(group=protocol.group())
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


def suspects_of_a_lost_worker(protocol, count, groups=None):
    """Sessions that a worker held when it was lost, or the process of each of these groups; what they are in now."""
    names = [f"s{number:03}" for number in range(count)]
    for group in groups or [0]:
        protocol.claim(*names, group=group, worker=abs(group) + 100)
    protocol.query("update sessions set lease_until = now() - interval '1 s' where lease_token is not null")
    protocol.query("update interactions set wake_at = now()")
    passed(protocol)
    return [protocol.group(name) for name in names]


def test_what_ran_together_is_split_until_each_is_alone_and_nothing_is_blamed(protocol):
    count = 20
    protocol.accept(*(new(f"s{number:03}") for number in range(count)))
    first = suspects_of_a_lost_worker(protocol, count)
    assert len(set(first)) == 1
    assert first[0] > 0
    second = suspects_of_a_lost_worker(protocol, count, set(first))
    assert len(set(second)) == PARTS
    assert min(second) > 0
    third = suspects_of_a_lost_worker(protocol, count, set(second))
    assert len(set(third)) == count
    assert max(third) < 0
    rows = protocol.query("select attempts, crashes, errors, status from interactions")
    assert rows == [{"attempts": 3, "crashes": 3, "errors": None, "status": "queued"}] * count


def test_the_last_to_start_is_blamed(protocol, rival):
    protocol.accept(new(), new())
    crash(rival)
    passed(protocol)
    claimed = rival.claim_one(group=rival.group())
    for work in claimed.work:
        assert announce(rival.store, claimed.lease, work.id)
    protocol.query("update sessions set lease_until = now() - interval '1 s'")
    make_due(protocol)
    passed(protocol)
    first, second = protocol.interactions()
    assert (first["errors"], [error["code"] for error in second["errors"]]) == (None, ["worker-lost"])


def test_an_announcement_under_an_older_lease_is_no_proof(protocol, rival):
    protocol.accept(new())
    crash(rival)
    passed(protocol)
    handed_back = rival.claim_one(group=rival.group())
    assert announce(rival.store, handed_back.lease, handed_back.work[0].id)
    release(rival.store, [handed_back.lease])
    crash(rival, announced=False)
    passed(protocol)
    assert protocol.interactions()[0]["errors"] is None


def test_a_locked_session_does_not_hold_up_rescue(protocol, rival):
    protocol.accept(new("a"), new("b"))
    for session in ("a", "b"):
        crash(rival, session)
    with rival.store.transaction():
        rival.store.connection.execute("select from sessions where id = 'a' for update")
        passed(protocol)
        assert (protocol.group("a"), protocol.session("b")["lease_token"]) == (0, None)
    make_due(protocol, "a")
    passed(protocol)
    assert protocol.group("a") < 0


def test_a_lost_lease_is_seen_before_a_backlog(protocol):
    protocol.accept(new("lost"))
    row = protocol.query(
        "insert into workers (name, holds_lock, suspected_at) values ('w', true, 'epoch') returning id"
    )
    protocol.claim_one("lost", worker=row[0]["id"], lease_seconds=600)
    protocol.query(
        "insert into interactions (id, agent_id, session_id, kind, payload, wake_at) select pumice_uuid7(), 'agent',"
        " 'backlog-' || n, 'hook', '{}', now() - interval '1 hour' from generate_series(1, 5000) n"
    )
    assert ("agent", "lost") in passed(protocol).suspects


def test_a_locked_session_of_a_lost_worker_does_not_hold_up_the_others(protocol, rival):
    """A client's transaction holds it, and nothing else; its own lease runs out by itself."""
    protocol.accept(new("a"), new("b"))
    row = protocol.query(
        "insert into workers (name, holds_lock, suspected_at) values ('w', true, 'epoch') returning id"
    )
    protocol.claim("a", "b", worker=row[0]["id"], lease_seconds=600)
    with rival.store.transaction():
        rival.store.connection.execute("select from sessions where id = 'a' for update")
        assert passed(protocol).suspects == {(AGENT, "b")}
    protocol.query("update sessions set lease_until = now() - interval '1 s' where id = 'a'")
    make_due(protocol, "a")
    assert passed(protocol).suspects == {(AGENT, "a")}


def test_what_waits_for_long_is_woken_ever_less_often(protocol):
    protocol.accept(new("young"), new("old"))
    protocol.query("update interactions set available_at = now() - interval '1 hour' where session_id = 'old'")
    make_due(protocol, "young")
    make_due(protocol, "old")
    passed(protocol)
    waits = protocol.query("select extract(epoch from wake_at - now())::int as s from interactions order by session_id")
    assert 55 <= waits[0]["s"] <= 60
    assert waits[1]["s"] <= 10


def test_what_no_worker_serves_is_put_off_until_one_does(protocol):
    """Each worker says what it serves; while one of them does not, nobody knows, and all are woken."""
    protocol.accept(new("known"), new("unknown"))
    protocol.query("update interactions set agent_id = 'other' where session_id = 'unknown'")
    protocol.query("update sessions set agent_id = 'other' where id = 'unknown'")
    for agents in ([AGENT], ["more"]):
        protocol.query("insert into workers (name, holds_lock, agents) values ('w', false, %s)", agents)
    make_due(protocol, "known")
    make_due(protocol, "unknown")
    assert passed(protocol).wakes == [(AGENT, "known", "hook")]
    bring_back(protocol.store, ["other"])
    protocol.query("insert into workers (name, holds_lock, agents) values ('w', false, null)")
    assert passed(protocol).wakes == [("other", "unknown", "hook")]


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
    assert passed(protocol).suspects == set()
    rival.close()
    found = wait_until(lambda: passed(protocol).suspects, 10, "the end of the worker's lease")
    assert found == {(AGENT, "s")}
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
