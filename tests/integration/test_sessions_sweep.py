"""Sweep: what has had its time goes, in small batches, and nothing else."""

import pytest

from pumice.agents.context import new_id
from pumice.sessions import sweep as sweeping
from pumice.sessions.sweep import sweep
from tests.support.protocol import done, new

EXPIRE = "update sessions set expires_at = now() - interval '1 s'"


def ran(protocol, session, **fields):
    """A session with one finished turn."""
    protocol.accept(new(session, **fields))
    claimed = protocol.claim_one(session)
    protocol.finish(claimed, done(claimed.work[0], said=["a"]))


def left(protocol):
    return [row["id"] for row in protocol.query("select id from sessions order by id")]


def test_an_expired_temporary_session_goes_with_what_belongs_to_it(protocol):
    ran(protocol, "temporary", temporary=True)
    ran(protocol, "kept")
    assert sweep(protocol.store, retention_days=30) == 0
    protocol.query(EXPIRE)
    assert sweep(protocol.store, retention_days=30) == 1
    assert left(protocol) == ["kept"]
    for table in ("interactions", "messages"):
        assert protocol.query(f"select session_id from {table}") == [{"session_id": "kept"}]


def test_a_session_with_something_to_do_stays(protocol):
    protocol.accept(new("waiting", temporary=True), new("running", temporary=True))
    protocol.claim_one("running")
    protocol.query(EXPIRE)
    assert sweep(protocol.store, retention_days=30) == 0
    assert left(protocol) == ["running", "waiting"]


def test_old_history_goes_and_its_session_stays(protocol):
    ran(protocol, "s")
    protocol.accept(new("s"))
    old = "01000000-0000-7000-8000-000000000000"
    protocol.query("update interactions set id = %s where status = 'done'", old)
    assert sweep(protocol.store, retention_days=30) == 1
    assert protocol.statuses() == ["queued"]
    assert protocol.messages() == [(0, "a")]


@pytest.mark.parametrize("days", [0.00001, 1, 30, 36_525])
def test_young_history_stays(protocol, days):
    ran(protocol, "s")
    protocol.query("update interactions set id = %s", new_id())
    assert sweep(protocol.store, retention_days=days) == 0
    assert protocol.statuses() == ["done"]


def test_old_work_that_still_waits_stays(protocol):
    protocol.accept(new("s"))
    protocol.query("update interactions set id = %s", "01000000-0000-7000-8000-000000000000")
    assert sweep(protocol.store, retention_days=30) == 0


def test_old_ticks_go_when_they_are_done(protocol):
    protocol.query(
        "insert into ticks (agent_id, job, scheduled_for, done_at) values"
        " ('a', 'old', '2020-01-01', now()), ('a', 'open', '2020-01-01', null), ('a', 'new', now(), now())"
    )
    sweep(protocol.store, retention_days=30)
    assert [row["job"] for row in protocol.query("select job from ticks order by job")] == ["new", "open"]


def test_a_sweep_takes_one_batch(protocol, monkeypatch):
    monkeypatch.setattr(sweeping, "BATCH", 2)
    for number in range(5):
        ran(protocol, f"t{number}", temporary=True)
    protocol.query(EXPIRE)
    assert [sweep(protocol.store, retention_days=30) for _ in range(4)] == [2, 2, 1, 0]
