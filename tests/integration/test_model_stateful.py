"""Random interleavings of the protocol's steps on a real Postgres, held against a model in memory.

Workers are simulated: each keeps its claims for as long as it likes and tries to commit them whenever it likes, also
long after it has lost them. After every step Postgres must say what the model says: nothing lost, nothing twice,
nothing out of order within a session, one live lease at most, and no effect of a lease that is gone.
"""

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.rows import namedtuple_row

from pumice.agents.context import Call, new_id
from pumice.agents.declare import Policy, Retry
from pumice.agents.failures import Failure, failure_of
from pumice.agents.messages import Message
from pumice.agents.turn import Outcome, Work
from pumice.sessions.accept import Accepted, NewInteraction, accept
from pumice.sessions.cancel import cancel
from pumice.sessions.claim import Wanted, claim
from pumice.sessions.commit import commit
from pumice.sessions.commit_rows import SessionCommit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import announce, release, renew
from pumice.sessions.rescue import rescue
from pumice.sessions.suspects import clear as clear_group
from pumice.settings import Settings
from tests.support.faults_model import CRASHES, Claim, Item, Model, Session
from tests.support.protocol import ended

AGENT = "model"
NAMES = ("a", "b")
names = st.sampled_from(NAMES)
recent = st.integers(0, 3)


class Protocol(RuleBasedStateMachine):
    """Two sessions and any number of workers."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.store = StoreConnection(Settings.from_env({"DATABASE_URL": self.url}))
        self.sql: psycopg.Connection[Any] = psycopg.connect(self.url, autocommit=True, row_factory=namedtuple_row)
        for table in ("sessions", "interactions", "messages"):
            self.sql.execute(f"delete from {table}")
        self.model = Model({name: Session(name) for name in NAMES})
        self.tokens = 0
        self.announcements = 0
        self.claims: list[Claim] = []
        self.sent: list[tuple[list[NewInteraction], list[Accepted]]] = []
        self.committed: list[tuple[list[SessionCommit], set[Any]]] = []

    def teardown(self) -> None:
        self.store.close()
        self.sql.close()

    @rule(chosen=st.lists(names, min_size=1, max_size=6), keyed=st.booleans())
    def accept(self, chosen: list[str], keyed: bool) -> None:
        wanted = [self._interaction(name, keyed=keyed) for name in chosen]
        accepted = self._accept(wanted)
        assert [(one.id, one.duplicate) for one in accepted] == [(one.id, False) for one in wanted]
        ordered = sorted(wanted, key=lambda one: one.dedupe or ("", "")) if keyed else wanted
        for one in ordered:
            self.model.new(one.session_id, one.id)
        self.sent.append((wanted, accepted))

    @rule(data=st.data(), same_ids=st.booleans())
    def accept_again(self, data: st.DataObject, same_ids: bool) -> None:
        """After a lost connection (the same ids), or the same deliveries once more (new ids, the same keys)."""
        if not self.sent:
            return
        wanted, first = data.draw(st.sampled_from(self.sent))
        keyed = wanted[0].dedupe is not None
        if same_ids or not keyed:
            assert self._accept(wanted) == first
        else:
            again = [replace(one, id=new_id()) for one in wanted]
            accepted = self._accept(again)
            assert [(one.id, one.duplicate) for one in accepted] == [(one.id, True) for one in first]
            self.model.revive(one.id for one in accepted if one.revived)

    @rule(chosen=st.lists(names, min_size=1, max_size=2, unique=True), limit=st.integers(1, 4))
    def claim(self, chosen: list[str], limit: int) -> None:
        if not any(self.model.sessions[name].due for name in chosen):
            self.accept([*chosen, *chosen, chosen[0]], keyed=False)
        self.tokens += 1
        wanted = [Wanted(AGENT, name, limit) for name in chosen]
        first = self.model.sessions[chosen[0]]
        group = first.group if first.probation else 0
        found = claim(self.store, wanted, token=self.tokens, worker_id=1, lease_seconds=100, group=group)
        claimable = [self.model.sessions[name] for name in chosen if self.model.sessions[name].claimable(group)]
        assert [one.lease.session_id for one in found] == [session.name for session in claimable]
        for real, session in zip(found, claimable, strict=True):
            items = session.due[:limit]
            for item in session.items:
                item.announced = 0
            assert [(work.id, work.attempts) for work in real.work] == [(item.id, item.attempts) for item in items]
            assert real.probation == session.probation
            state = json.loads(real.state)["n"] if real.state else []
            session.holder = Claim(real, items, state, real.version)
            self.claims.append(session.holder)

    @rule(back=recent, count=st.integers(1, 2), last=st.booleans(), twice=st.booleans())
    def commit_done(self, back: int, count: int, last: bool, twice: bool) -> None:
        self._commit_next(back, "done", count, last=last, blocking=False)
        if twice and self.committed:
            assert self._commit(self.committed[-1][0], unsure=False) == set()

    @rule(back=recent, status=st.sampled_from(["failed", "dead", "retry"]), last=st.booleans(), blocking=st.booleans())
    def commit_failed(self, back: int, status: str, last: bool, blocking: bool) -> None:
        self._commit_next(back, status, 2, last=last, blocking=blocking)

    def _commit_next(self, back: int, status: str, count: int, *, last: bool, blocking: bool) -> None:
        """Commit the next turns of a claim, all done but for the last of them, which ends as `status`."""
        chosen = self._claim_of(back)
        if chosen.place == len(chosen.items):
            self.claim([chosen.session], 4)
            chosen = self.claims[-1]
        items = chosen.items[chosen.place : chosen.place + count]
        if not items:
            return
        blocking = blocking and status == "retry"
        last = last or blocking or chosen.place + len(items) == len(chosen.items)
        holds = self.model.holds(chosen)
        part = SessionCommit(chosen.real.lease, chosen.version, last, [])
        session = self.model.sessions[chosen.session]
        for item in items:
            ends_as = status if item is items[-1] else "done"
            if ends_as == "done":
                chosen.state = [*chosen.state, item.number]
            part.turns.append(ended(chosen.real, self._outcome(item, ends_as, chosen.state, blocking=blocking)))
            if holds:
                session.apply(item, ends_as, chosen.state, blocking=blocking)
                self.model.ledger += [str(item.number)] if ends_as == "done" else []
        held = self._commit([part], unsure=False)
        assert held == ({chosen.real.lease} if holds else set())
        chosen.place, chosen.version = chosen.place + len(items), chosen.version + len(items)
        self.committed.append(([part], held))
        if holds:
            session.expired = False
        if holds and last:
            session.holder = None
            session.blocked = blocking
            chosen.place = len(chosen.items)

    @rule(data=st.data(), unsure=st.booleans())
    def commit_again(self, data: st.DataObject, unsure: bool) -> None:
        """A commit whose answer was lost is tried again; or it comes again while the first is still under way."""
        if self.committed:
            parts, held = data.draw(st.sampled_from(self.committed[-3:]))
            found = self._commit(parts, unsure=unsure)
            ran_since = any(outcome.status == "retry" for part in parts for outcome in part.outcomes)
            assert found == (held if unsure else set()) or (unsure and ran_since and found < held)

    @rule(name=names)
    def clear(self, name: str) -> None:
        """A quarantine looks whether its group has anything left to do."""
        group = self.model.sessions[name].group
        clear_group(self.store, group)
        for session in self.model.sessions.values():
            if session.probation and session.group == group and session.holder is None and not session.due:
                session.probation = False

    @rule(back=recent)
    def renew(self, back: int) -> None:
        chosen = self._claim_of(back)
        held = renew(self.store, [chosen.real.lease], 100)
        assert held == ({chosen.real.lease} if self.model.holds(chosen) else set())
        if held:
            self.model.sessions[chosen.session].expired = False

    @rule(back=recent)
    def release(self, back: int) -> None:
        chosen = self._claim_of(back)
        release(self.store, [chosen.real.lease])
        if self.model.holds(chosen):
            self.model.sessions[chosen.session].holder = None
            self.model.sessions[chosen.session].expired = False

    @rule(back=recent)
    def announce(self, back: int) -> None:
        """A probation worker says what it starts."""
        chosen = self._claim_of(back)
        if chosen.place < len(chosen.items):
            item = chosen.items[chosen.place]
            held = announce(self.store, chosen.real.lease, item.id)
            assert held == (self.model.holds(chosen) and item.status == "queued")
            self.announcements += held
            item.announced = self.announcements if held else item.announced

    @rule(name=names)
    def expire(self, name: str) -> None:
        """A lease's time passes without a heartbeat."""
        session = self.model.sessions[name]
        self.sql.execute(
            "update sessions set lease_until = now() - interval '1 second' where id = %s and lease_token is not null",
            (name,),
        )
        session.expired = session.holder is not None

    @rule(name=names)
    def crash(self, name: str) -> None:
        """A worker is lost, and it is noticed."""
        self.expire(name)
        self.rescue()

    @rule()
    def wait(self) -> None:
        """Time passes: what was to be tried again later is due."""
        self.sql.execute(
            "update interactions set available_at = now() where status = 'queued' and available_at > now()"
        )
        self.sql.execute("update sessions set blocked_until = now()")
        for session in self.model.sessions.values():
            session.blocked = False
            for item in session.items:
                item.due = True

    @rule()
    def rescue(self) -> None:
        """Everything queued is looked at: nobody was woken for long enough."""
        self.sql.execute("update interactions set wake_at = now() where status = 'queued' and available_at <= now()")
        findings = rescue(self.store, crash_limit=CRASHES)
        assert findings is not None
        looked_at = [session for session in self.model.sessions.values() if session.due]
        free = [session for session in looked_at if session.holder is None or session.expired]
        suspects = {session.name for session in free if session.probation or session.expired}
        assert {name for _, name in findings.suspects} == suspects
        woken = {wake[1] for wake in findings.wakes} - {"ledger"}
        assert woken == {session.name for session in free} - suspects
        dead_before = self._of_status("dead")
        for session in looked_at:
            if session.expired:
                session.break_lease()
                session.group = self._group_of(session.name)
        assert sorted(row.id for row in findings.dead) == sorted(self._of_status("dead") - dead_before)

    @rule(name=names, queued=st.booleans())
    def cancel(self, name: str, queued: bool) -> None:
        session = self.model.sessions[name]
        running = session.holder.items[session.holder.place :] if session.holder else []
        closing = [item for item in session.items if item.status == "queued" and (queued or item in running[:1])]
        outcome = cancel(self.store, AGENT, name, queued=queued)
        assert sorted(one.id for one, _ in (outcome.interactions if outcome is not None else [])) == sorted(
            item.id for item in closing
        )
        for item in closing:
            item.status = "cancelled"
        if closing:
            session.holder, session.expired, session.blocked = None, False, False

    @invariant()
    def postgres_agrees(self) -> None:
        rows = self.sql.execute(
            "select id::text as id, status, attempts from interactions where kind = 'hook' order by seq"
        )
        assert sorted(tuple(row) for row in rows) == sorted(self.model.rows())
        for session in self.model.sessions.values():
            self._check(session)
        called = self.sql.execute("select payload ->> 'number' as number from interactions where kind = 'call'")
        assert sorted(row.number for row in called) == sorted(self.model.ledger)

    def _claim_of(self, back: int) -> Claim:
        """A claim of the last few, live or long lost."""
        if not self.claims:
            self.claim(["a"], 3)
        return self.claims[-1 - back % len(self.claims)]

    def _check(self, session: Session) -> None:
        rows = self.sql.execute("select * from sessions where id = %s", (session.name,)).fetchall()
        if not rows:
            assert session.items == []
            return
        token = session.holder.real.lease.token if session.holder else None
        assert (rows[0].lease_token, rows[0].probation) == (token, session.probation)
        assert (rows[0].state or {"n": []})["n"] == session.state
        said = self.sql.execute("select seq, content from messages where session_id = %s order by seq", (session.name,))
        assert [tuple(row) for row in said] == list(enumerate(session.messages))

    def _group_of(self, name: str) -> int:
        """The group that rescue chose: which sessions share one is tested in test_sessions_rescue."""
        row = self.sql.execute("select suspect_group from sessions where id = %s", (name,)).fetchone()
        assert row is not None
        return int(row[0])

    def _of_status(self, status: str) -> set[str]:
        return {item.id for session in self.model.sessions.values() for item in session.items if item.status == status}

    def _interaction(self, name: str, *, keyed: bool) -> NewInteraction:
        item_id = new_id()
        return NewInteraction(item_id, AGENT, name, "hook", "n", "{}", dedupe=("key", item_id) if keyed else None)

    def _accept(self, wanted: list[NewInteraction]) -> list[Accepted]:
        return accept(self.store, wanted, temporary_ttl=100, window=100)

    def _commit(self, parts: list[SessionCommit], *, unsure: bool) -> set[Any]:
        return commit(self.store, parts, temporary_ttl=100, lease_seconds=100, unsure=unsure)

    def _outcome(self, item: Item, status: str, state: list[int], *, blocking: bool) -> Outcome:
        work = Work(item.id, item.number, "hook", "n", "{}", attempts=item.attempts)
        if status == "retry":
            return Outcome(work, status, failure=failure_of(Retry(after=100), Policy(30, blocking=blocking)))
        if status != "done":
            return Outcome(work, status, failure=Failure(status, "Error", "", ""))
        return Outcome(
            work,
            state=json.dumps({"n": state}),
            messages=[Message("user", f"message {item.number}")],
            calls=[Call(new_id(), "ledger", "book", json.dumps({"number": item.number}))],
        )


@pytest.mark.timeout(900)
def test_interleavings(database_url, request):
    """Nothing is lost, doubled or reordered, and no lease that is gone has an effect."""
    Protocol.url = database_url
    examples = 500 if request.config.getoption("--faults") else 80
    run_state_machine_as_test(
        Protocol,
        settings=settings(max_examples=examples, stateful_step_count=40, deadline=None, report_multiple_bugs=False),
    )
