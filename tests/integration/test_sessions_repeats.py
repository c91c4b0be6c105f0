"""Any sequence of deliveries, failures, crashes and repeats: each delivery is one interaction, and heals."""

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pumice.settings import Settings
from tests.support.protocol import Protocol, done, failed, new

sessions = st.sampled_from(["a", "b", None])
keys = st.sampled_from(["k", "l"])


class Deliveries(RuleBasedStateMachine):
    """Deliveries to two sessions, and some that name none. The model: what is known by a session and a key."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.steps = Protocol(Settings.from_env({"DATABASE_URL": self.url}))
        self.steps.empty()
        self.known: dict[tuple[str | None, str], str] = {}
        self.status: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.home: dict[str, str] = {}
        self.old: set[str] = set()

    def teardown(self) -> None:
        self.steps.end()

    @rule(session=sessions, key=keys, twins=st.integers(1, 3))
    def deliver(self, session: str | None, key: str, twins: int) -> None:
        """One delivery or, at the same moment, several."""
        wanted = [self._delivery(session, key) for _ in range(twins)]
        accepted = self.steps.accept(*wanted)
        known = self._remembered(session, key)
        failed_before = known is not None and self.status[known] == "failed"
        if known is None:
            known = self.known[session, key] = accepted[0].id
            assert [one.duplicate for one in accepted].count(False) == 1
            self.attempts[known] = 0
            self.home[known] = next(one.session_id for one in accepted if not one.duplicate)
        else:
            assert all(one.duplicate for one in accepted)
        assert [one.revived for one in accepted].count(True) == failed_before
        assert {(one.id, one.session_id) for one in accepted} == {(known, self.home[known])}
        if failed_before or known not in self.status:
            self.status[known] = "queued"

    @rule(session=sessions, key=keys, ends=st.sampled_from(["done", "failed"]))
    def run(self, session: str | None, key: str, ends: str) -> None:
        """A worker runs what is due in the delivery's session; all of it ends alike."""
        known = self.known.get((session, key))
        if known is None or not (claimed := self.steps.claim(self.home[known])):
            return
        outcomes = [done(work) if ends == "done" else failed(work) for work in claimed[0].work]
        assert self.steps.finish(claimed[0], *outcomes)
        for outcome in outcomes:
            self.status[outcome.work.id] = ends
            self.attempts[outcome.work.id] += 1

    @rule(session=sessions, key=keys)
    def crash(self, session: str | None, key: str) -> None:
        """A worker is lost before it has committed; its lease is taken away."""
        known = self.known.get((session, key))
        if known is not None and self.steps.claim(self.home[known]):
            self.steps.query("update sessions set lease_token = null, lease_until = null")

    @rule(session=sessions, key=keys)
    def outlive_the_window(self, session: str | None, key: str) -> None:
        """A day goes by for one delivery. What is finished is forgotten, what waits is not."""
        known = self.known.get((session, key))
        if known is None:
            return
        self.steps.query("update interactions set accepted_at = now() - interval '25 hours' where id = %s", known)
        self.old.add(known)

    @invariant()
    def postgres_agrees(self) -> None:
        rows = self.steps.query("select id::text as id, session_id, status, attempts from interactions")
        stored = {row["id"]: (row["session_id"], row["status"], row["attempts"]) for row in rows}
        assert stored == {one: (self.home[one], self.status[one], self.attempts[one]) for one in self.status}

    def _remembered(self, session: str | None, key: str) -> str | None:
        """The delivery that a repeat is one of; none once it is finished and older than the window."""
        known = self.known.get((session, key))
        if known is not None and known in self.old and self.status[known] != "queued":
            return None
        return known

    def _delivery(self, session: str | None, key: str) -> Any:
        self.made = getattr(self, "made", 0) + 1
        unnamed = session is None
        return new(session or f"tmp-{self.made}", key=key, unnamed=unnamed, temporary=unnamed)


@pytest.mark.timeout(300)
def test_deliveries_are_recognised_and_heal(protocol_database):
    Deliveries.url = protocol_database
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate],  # a shorter example is not worth the minutes that it takes to find
        ),
    )
