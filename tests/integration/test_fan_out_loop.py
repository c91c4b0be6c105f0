"""The thread that brings ticks on: what goes wrong with one tick is not the others' affair, nor the thread's end."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pumice import Agent, job
from pumice.agents.spec import AgentSpec, describe
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.ticks import take_ticks
from pumice.settings import Settings
from pumice_workers import fan_out_loop, tick_run
from pumice_workers.fan_out_loop import FanOutLoop
from pumice_workers.services import Services
from tests.support.protocol import AGENT, done, new
from tests.support.ticks import insert_tick
from tests.support.waiting import wait_until

NAMES = ["s0", "s1"]


class Reminders(Agent):
    @job("* * * * *")
    def first(self):
        pass

    @job("* * * * *")
    def second(self):
        pass


@dataclass
class Told:
    """What a worker's services are for a loop. woken: the sessions that it had woken."""

    settings: Settings
    registry: dict[str, AgentSpec]
    events: Any = None
    woken: list[str] = field(default_factory=list)

    @property
    def wakes(self):
        return self

    def wake(self, wakes):
        self.woken += [one.session_id for one in wakes]


def looped(protocol):
    return FanOutLoop(cast("Services", Told(protocol.settings, {AGENT: describe(Reminders)})))


@pytest.fixture
def loop(protocol):
    """A loop that is not started yet, on a database with two sessions."""
    protocol.accept(*(new(name) for name in NAMES))
    for name in NAMES:
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, done(claimed.work[0]))
    loop = looped(protocol)
    yield loop
    loop.stop()


def made(protocol, name):
    """The sessions in which the job's runs wait."""
    found = "select session_id from interactions where kind = 'job' and name = %s and status = 'queued' order by 1"
    return [row["session_id"] for row in protocol.query(found, name)]


def test_the_thread_outlives_what_nobody_foresaw(protocol, loop, monkeypatch):
    calls: list[Any] = []

    def fail_once(*given):
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("unforeseen")
        return take_ticks(*given)

    monkeypatch.setattr(fan_out_loop, "take_ticks", fail_once)
    monkeypatch.setattr(fan_out_loop, "AGAIN", 0.1)
    insert_tick(protocol, name="first")
    loop.start()
    wait_until(lambda: made(protocol, "first") == NAMES)


def test_a_tick_that_cannot_be_brought_on_holds_up_no_other(protocol, loop, monkeypatch):
    def refuse(store, tick, *given):
        if tick.job == "first":
            raise ValueError("no page for this one")
        return fan_out_page(store, tick, *given)

    monkeypatch.setattr(tick_run, "fan_out_page", refuse)
    insert_tick(protocol, name="first")
    insert_tick(protocol, name="second")
    loop.start()
    wait_until(lambda: made(protocol, "second") == NAMES)
    assert made(protocol, "first") == []


def test_a_tick_whose_row_is_locked_is_not_taken_for_a_store_that_is_away(protocol, rival, loop, monkeypatch, capfd):
    monkeypatch.setattr(fan_out_loop, "HELD", 0.1)
    insert_tick(protocol, name="first")
    loop.start()
    wait_until(lambda: made(protocol, "first") == NAMES)
    with rival.store.transaction() as transaction:
        transaction.fetch(Statement("lock_all_ticks", "select from ticks for update", NoRow))
        insert_tick(protocol, name="second")
        wait_until(lambda: made(protocol, "second") == NAMES)
    assert "jobs_store" not in capfd.readouterr().err


def test_ticks_that_have_no_end_leave_room_for_others(protocol, loop, monkeypatch):
    monkeypatch.setattr(fan_out_loop, "MOST", 1)
    insert_tick(protocol, name="first")
    loop.start()
    wait_until(lambda: made(protocol, "first") == NAMES)
    insert_tick(protocol, name="second")
    wait_until(lambda: made(protocol, "second") == NAMES)
    kept = "select count(*) as n from ticks where next_at > now() + interval '2 seconds'"
    wait_until(lambda: protocol.query(kept) == [{"n": 1}])


def test_a_removed_jobs_runs_are_skipped_by_the_loop(protocol, loop):
    insert_tick(protocol, name="first")
    loop.start()
    wait_until(lambda: made(protocol, "first") == NAMES)
    loop.stop()
    protocol.query("insert into jobs (agent_id, name, declaration, decided_until, removed_at) values"
                   " (%s, 'first', '', now(), now()) returning 1 as n", AGENT)  # fmt: skip
    again = looped(protocol)
    again.start()
    try:
        wait_until(lambda: protocol.query("select skipped from ticks where done_at is not null") == [{"skipped": 2}])
    finally:
        again.stop()
    reasons = protocol.query("select distinct reason_code from interactions where kind = 'job'")
    assert reasons == [{"reason_code": "removed"}]
