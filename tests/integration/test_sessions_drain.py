"""Drain: a tick's sessions are woken as its runs end, ends are counted, and a wake that is lost is made good."""

import pytest

from pumice.agents.jobs import Job
from pumice.errors import StoreBusyError
from pumice.sessions import drain
from pumice.sessions.drain import Counted, advance, ended_runs, finish, hand_over, keep, next_runs
from pumice_workers import tick_run, tick_window
from pumice_workers.tick_run import TickRun
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


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(drain, "CHUNK", 2)
    monkeypatch.setattr(tick_window, "CHUNK", 2)
    monkeypatch.setattr(tick_window, "OUTSTANDING", 4)


def end(protocol, name, outcome=done):
    claimed = protocol.claim_one(name)
    protocol.finish(claimed, outcome(claimed.work[0]))


def counts(protocol):
    row = protocol.query("select * from ticks")[0]
    return row["drained"], row["done"], row["failed"], row["skipped"]


def taken(tick=TICK, job: Job | None = None, cancel=lambda *_: None):
    return TickRun(tick, job or made(), None, cancel)


def step(run, store):
    """One step, now. Returns the sessions woken, and None when the tick is over."""
    woken: list[str] = []
    run.next_look = 0.0
    return None if run.step(store, woken.extend) is None else woken


def test_runs_are_read_by_session_with_how_they_ended(spread):
    end(spread, "s0")
    end(spread, "s1", failed)
    runs = next_runs(spread.store, TICK, "")
    assert [(run.session_id, run.waits, run.outcome) for run in runs[:3]] == [
        ("s0", False, "done"), ("s1", False, "failed"), ("s2", True, None)]  # fmt: skip
    assert [run.session_id for run in next_runs(spread.store, TICK, "s3")] == ["s4", "s5"]
    assert next_runs(spread.store, TICK, "s5") == []


def test_what_has_ended_is_found_and_what_is_gone_was_skipped(spread):
    end(spread, "s3")
    spread.query("delete from interactions where session_id = 's4' and kind = 'job' returning 1 as n")
    found = ended_runs(spread.store, TICK, NAMES)
    assert {(run.session_id, run.outcome) for run in found} == {("s3", "done"), ("s4", "skipped")}


def test_counts_are_written_once(spread, rival):
    begin, two, four = Counted("", []), Counted("s1", ["s0"]), Counted("s3", [])
    assert advance(spread.store, TICK, begin, two, {"done": 2})
    assert not advance(rival.store, TICK, begin, two, {"done": 2})
    assert not advance(rival.store, TICK, Counted("s1", []), four, {"done": 1})
    assert advance(rival.store, TICK, two, four, {"done": 1, "failed": 1})
    assert counts(spread) == ("s3", 3, 1, 0)


def test_sessions_are_woken_as_runs_end(spread, small_chunks):
    run = taken()
    assert step(run, spread.store) == NAMES[:4]
    assert step(run, spread.store) == []
    end(spread, "s0", failed)
    end(spread, "s2")
    assert step(run, spread.store) == ["s4", "s5"]
    assert counts(spread)[0] == ""
    end(spread, "s3")
    end(spread, "s1")
    step(run, spread.store)
    assert counts(spread) == ("s3", 3, 1, 0)
    end(spread, "s4")
    end(spread, "s5")
    assert step(run, spread.store) is None
    assert counts(spread) == ("s5", 5, 1, 0)
    assert spread.query("select done_at is not null as done from ticks") == [{"done": True}]


def test_another_process_goes_on_where_the_counts_end(spread, small_chunks):
    first = taken()
    step(first, spread.store)
    for name in ("s0", "s1", "s2"):
        end(spread, name)
    step(first, spread.store)
    assert counts(spread) == ("s1", 2, 0, 0)
    second = taken()
    assert step(second, spread.store) == ["s3", "s4", "s5"]
    for name in ("s3", "s4", "s5"):
        end(spread, name)
    assert step(second, spread.store) is None
    assert step(first, spread.store) is None
    assert counts(spread) == ("s5", 6, 0, 0)


def test_what_is_not_due_yet_is_not_woken(spread):
    spread.query(
        "update interactions set available_at = now() + interval '1 hour' where session_id = 's2' and kind = 'job'"
        " returning 1 as n"
    )
    run = taken()
    assert step(run, spread.store) == [name for name in NAMES if name != "s2"]
    assert run.window.chunks[0].pending == set(NAMES)


def test_what_was_skipped_at_once_is_not_counted_again(spread):
    later = tick_of(TICK.scheduled_for.replace(hour=11))
    insert_tick(spread, later.scheduled_for)
    fan_out(spread, later, made(overlap="skip"))
    run = taken(later)
    assert step(run, spread.store) == []
    assert step(run, spread.store) is None
    row = spread.query("select * from ticks order by scheduled_for desc")[0]
    assert (row["sessions"], row["skipped"], row["drained"]) == (6, 6, "s5")


def test_a_wake_that_was_lost_is_left_to_rescue(spread, monkeypatch):
    run = taken()
    step(run, spread.store)
    end(spread, "s0")
    waiting = "select session_id from interactions where status = 'queued' and wake_at <= now() order by 1"
    step(run, spread.store)
    assert spread.query(waiting) == []
    monkeypatch.setattr(tick_window, "GRACE", 0.0)
    step(run, spread.store)
    assert [row["session_id"] for row in spread.query(waiting)] == NAMES[1:]


def test_what_hangs_keeps_no_other_from_being_woken(spread, small_chunks, monkeypatch):
    monkeypatch.setattr(tick_window, "GRACE", 0.0)
    run = taken()
    assert step(run, spread.store) == NAMES[:4]
    assert step(run, spread.store) == NAMES[4:]


def test_a_tick_of_which_nothing_moves_is_left_with_its_counts(spread, monkeypatch):
    run = taken()
    assert step(run, spread.store) == NAMES
    for name in NAMES[1:]:
        end(spread, name)
    step(run, spread.store)
    assert counts(spread) == ("", 0, 0, 0)
    monkeypatch.setattr(tick_run, "STALL", 0.0)
    assert step(run, spread.store) is None
    assert counts(spread) == ("s5", 5, 0, 0)
    left = "select waiting, next_at > now() + interval '4 seconds' as is_left, done_at from ticks"
    assert spread.query(left) == [{"waiting": ["s0"], "is_left": True, "done_at": None}]
    end(spread, "s0", failed)
    assert step(taken(), spread.store) is None
    assert counts(spread) == ("s5", 5, 1, 0)
    assert spread.query("select waiting, done_at is not null as done from ticks") == [{"waiting": [], "done": True}]


def test_a_run_that_the_counts_passed_over_is_waited_for_by_the_next_process(spread, monkeypatch):
    monkeypatch.setattr(tick_run, "STALL", -1.0)
    run = taken()
    step(run, spread.store)
    end(spread, "s3")
    assert step(run, spread.store) is None
    second = taken()
    assert step(second, spread.store) is None
    row = spread.query("select waiting, done, done_at from ticks")[0]
    assert row == {"waiting": ["s0", "s1", "s2", "s4", "s5"], "done": 1, "done_at": None}


def test_a_tick_that_is_left_with_many_runs_names_none_of_them(spread, monkeypatch):
    monkeypatch.setattr(tick_window, "SHELVED", 2)
    monkeypatch.setattr(tick_run, "STALL", -1.0)
    run = taken()
    step(run, spread.store)
    for name in NAMES[3:]:
        end(spread, name)
    assert step(run, spread.store) is None
    assert counts(spread) == ("", 0, 0, 0)


def test_a_session_that_somebody_holds_holds_up_no_other_cancelling(spread, monkeypatch):
    cancelled: list[str] = []
    held = {"s1"}

    def cancel(_agent, session, _interaction):
        if session in held:
            raise StoreBusyError
        cancelled.append(session)

    run = taken(cancel=cancel)
    run.to_cancel.extend([("1", "s1"), ("2", "s2")])
    step(run, spread.store)
    step(run, spread.store)
    assert cancelled == ["s2"]
    for name in NAMES:
        end(spread, name)
    assert step(run, spread.store) is not None
    held.clear()
    assert step(run, spread.store) is None
    assert cancelled == ["s2", "s1"]


def test_only_these_sessions_are_handed_over(spread):
    hand_over(spread.store, TICK, ["s1", "s2"])
    rows = spread.query("select session_id from interactions where status = 'queued' and wake_at <= now() order by 1")
    assert [row["session_id"] for row in rows] == ["s1", "s2"]


def test_a_tick_is_closed_once_all_is_made(spread):
    spread.query("update ticks set inserted_at = null returning 1 as n")
    finish(spread.store, TICK)
    assert keep(spread.store, TICK, "")
    spread.query("update ticks set inserted_at = now() returning 1 as n")
    finish(spread.store, TICK)
    assert not keep(spread.store, TICK, "")


def test_a_run_makes_its_page_and_wakes_it(protocol, spread):
    insert_tick(protocol, name="other")
    other = tick_of(name="other")
    assert step(taken(other, made("other")), protocol.store) == NAMES


def test_other_jobs_and_agents_do_not_count(protocol, spread):
    protocol.accept(new("t", "job", name="other"), new("u", "job", name="remind", agent_id="other"))
    assert AGENT != "other"
    assert next_runs(protocol.store, TICK, "s5") == []
