"""Drain: a tick's sessions are woken as its runs end, ends are counted, and a wake that is lost is made good."""

import pytest

from pumice.sessions import drain
from pumice.sessions.drain import Window, finish, hand_over, next_to_wake, note_woken
from tests.support.protocol import AGENT, done, failed, new
from tests.support.ticks import fan_out, insert_tick, made, tick_of

TICK = tick_of()
NAMES = [f"s{number}" for number in range(6)]


@pytest.fixture
def spread(protocol):
    """A tick that is fanned out to six sessions."""
    protocol.accept(*(new(name) for name in NAMES))
    for name in NAMES:
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, done(claimed.work[0]))
    insert_tick(protocol)
    fan_out(protocol, TICK, made())
    return protocol


def look(store, tick) -> Window:
    found = drain.look(store, tick)
    assert found is not None
    return found


def run(protocol, name, outcome=done):
    claimed = protocol.claim_one(name)
    protocol.finish(claimed, outcome(claimed.work[0]))


def counts(protocol):
    row = protocol.query("select * from ticks")[0]
    return row["drained"], row["done"], row["failed"], row["skipped"]


def test_sessions_are_woken_a_chunk_at_a_time(spread, monkeypatch):
    monkeypatch.setattr(drain, "CHUNK", 4)
    sessions, last = next_to_wake(spread.store, TICK, "")
    assert (sessions, last) == (NAMES[:4], "s3")
    note_woken(spread.store, TICK, "s3")
    assert next_to_wake(spread.store, TICK, look(spread.store, TICK).woken) == (NAMES[4:], "s5")
    assert next_to_wake(spread.store, TICK, "s5") == ([], None)


def test_what_is_not_due_yet_is_not_woken(spread):
    spread.query(
        "update interactions set available_at = now() + interval '1 hour' where session_id = 's2' returning 1 as n"
    )
    assert next_to_wake(spread.store, TICK, "") == ([name for name in NAMES if name != "s2"], "s5")


def test_what_ends_is_counted_once_from_the_first_on(spread):
    note_woken(spread.store, TICK, "s5")
    for name, outcome in (("s0", done), ("s1", failed), ("s3", done)):
        run(spread, name, outcome)
    window = look(spread.store, TICK)
    assert (window.waiting, window.due, window.is_inserted) == (3, 3, True)
    assert counts(spread) == ("s1", 1, 1, 0)
    run(spread, "s2")
    spread.query(
        "update interactions set status = 'cancelled', finished_at = now()"
        " where session_id = 's4' and status = 'queued' returning 1 as n"
    )
    look(spread.store, TICK)
    assert counts(spread) == ("s4", 3, 1, 1)
    run(spread, "s5")
    assert look(spread.store, TICK).waiting == 0
    assert counts(spread) == ("s5", 4, 1, 1)
    assert look(spread.store, TICK).waiting == 0
    assert counts(spread) == ("s5", 4, 1, 1)


def test_only_what_was_woken_is_looked_at(spread):
    note_woken(spread.store, TICK, "s1")
    run(spread, "s0")
    run(spread, "s4")
    assert look(spread.store, TICK).waiting == 1
    assert counts(spread) == ("s0", 1, 0, 0)


def test_what_was_skipped_at_once_is_not_counted_again(protocol, spread):
    later = tick_of(TICK.scheduled_for.replace(hour=11))
    insert_tick(protocol, later.scheduled_for)
    fan_out(protocol, later, made(overlap="skip"))
    note_woken(protocol.store, later, "s5")
    look(protocol.store, later)
    row = protocol.query("select * from ticks order by scheduled_for desc")[0]
    assert (row["sessions"], row["skipped"], row["drained"]) == (6, 6, "s5")


def test_a_wake_that_was_lost_is_left_to_rescue(spread):
    note_woken(spread.store, TICK, "s5")
    run(spread, "s0")
    hand_over(spread.store, TICK, "s2")
    rows = spread.query("select session_id from interactions where status = 'queued' and wake_at <= now() order by 1")
    assert [row["session_id"] for row in rows] == ["s1", "s2"]


def test_a_tick_is_closed_once_all_is_made(spread):
    spread.query("update ticks set inserted_at = null returning 1 as n")
    finish(spread.store, TICK)
    assert look(spread.store, TICK).is_inserted is False
    spread.query("update ticks set inserted_at = now() returning 1 as n")
    finish(spread.store, TICK)
    assert drain.look(spread.store, TICK) is None


def test_other_jobs_and_agents_do_not_count(protocol, spread):
    protocol.accept(new("t", "job", name="other"), new("u", "job", name="remind", agent_id="other"))
    assert AGENT != "other"
    assert next_to_wake(protocol.store, TICK, "s5") == ([], None)
