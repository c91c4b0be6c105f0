"""Any history of accepts, claims, crashes, rescues and late commits leaves each interaction's effect exactly once."""

import json
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from pumice.sessions.rescue import rescue
from tests.support.protocol import Protocol, done, failed, new, part

SESSIONS = ("a", "b")
CRASH_LIMIT = 1_000
EFFECTS = """
with wanted as (select %s::text as id)
select array(select i.id::text from interactions i where i.session_id = w.id order by i.seq) as accepted,
  array(select i.status from interactions i where i.session_id = w.id order by i.seq) as statuses,
  array(select m.content #>> '{}' from messages m where m.session_id = w.id order by m.seq) as said,
  coalesce((select s.state from sessions s where s.id = w.id), '[]') as state
from wanted w
"""


class Histories(RuleBasedStateMachine):
    """Each session's state is the list of the interactions that took effect; the model knows what was accepted."""

    steps: ClassVar[Protocol]

    def __init__(self):
        super().__init__()
        self.steps.empty()
        self.accepted: dict[str, list[str]] = {name: [] for name in SESSIONS}

    held = Bundle("held")
    lost = Bundle("lost")

    @rule(names=st.lists(st.sampled_from(SESSIONS), min_size=1, max_size=4))
    def accept(self, names):
        wanted = [new(name) for name in names]
        self.steps.accept(*wanted)
        for one in wanted:
            self.accepted[one.session_id].append(one.id)

    @rule(target=held, names=st.permutations(SESSIONS), limit=st.integers(1, 3))
    def claim(self, names, limit):
        return multiple(*self.steps.claim(*names, limit=limit))

    @rule(claimed=consumes(held), count=st.integers(1, 3), fails=st.booleans())
    def commit(self, claimed, count, fails):
        assert self.steps.finish(claimed, *self.turns(claimed, claimed.work[:count], fails=fails))

    @rule(target=held, claimed=consumes(held))
    def commit_in_part(self, claimed):
        first, rest = claimed.work[0], claimed.work[1:]
        if not rest:
            return claimed
        (outcome,) = self.turns(claimed, [first], fails=False)
        assert self.steps.finish(claimed, outcome, release=False)
        claimed.work, claimed.state = rest, outcome.state
        return claimed

    @rule(claimed=consumes(held))
    def commit_with_a_lost_connection(self, claimed):
        one = part(claimed, *self.turns(claimed, claimed.work, fails=False))
        assert self.steps.commit(one) == {claimed.lease}
        assert self.steps.commit(one, unsure=True) == {claimed.lease}

    @rule(target=lost, claimed=consumes(held))
    def crash(self, claimed):
        name = claimed.lease.session_id
        self.steps.query("update sessions set lease_until = now() - interval '1 s' where id = %s", name)
        self.steps.query("update interactions set wake_at = now() where session_id = %s and status = 'queued'", name)
        found = rescue(self.steps.store, crash_limit=CRASH_LIMIT)
        assert found is not None
        assert [one[1] for one in found.suspects] == [name]
        return claimed

    @rule(claimed=consumes(lost))
    def come_back_too_late(self, claimed):
        assert not self.steps.finish(claimed, *self.turns(claimed, claimed.work, fails=False))

    @invariant()
    def every_effect_is_there_once_and_in_order(self):
        for name in SESSIONS:
            (seen,) = self.steps.query(EFFECTS, name)
            assert seen["accepted"] == self.accepted[name]
            statuses = seen["statuses"]
            assert statuses == sorted(statuses, key="queued".__eq__)
            effects = [one for one, status in zip(seen["accepted"], statuses, strict=True) if status == "done"]
            assert seen["said"] == seen["state"] == effects

    def turns(self, claimed, work, *, fails):
        """Outcomes that add their interactions to the state; the last fails, if asked."""
        state = json.loads(claimed.state or "[]")
        outcomes = []
        for one in work:
            if fails and one is work[-1]:
                outcomes.append(failed(one))
                continue
            state = [*state, one.id]
            outcomes.append(done(one, state=state, said=[one.id]))
        return outcomes


@pytest.mark.usefixtures("protocol")
def test_any_history(protocol):
    machine = type("Machine", (Histories,), {"steps": protocol})
    relaxed = settings(
        max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(machine, settings=relaxed)
