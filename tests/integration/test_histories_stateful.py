"""Random histories on a real Postgres, held against a model in memory: every point is what the model says.

Turns, failures, replaced conversations, snapshots, restores, forks of forks, deletions and pruning, in any order; and
connections that end in the middle of any of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, integers, sampled_from

from pumice.agents.messages import Message
from pumice.errors import PrunedPoint, StoreAwayError, UnknownPoint, UnknownSession
from pumice.sessions import snapshots
from pumice.sessions.conversation import read_after, read_newest
from pumice.sessions.deletion import delete_session
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.points import resolve
from pumice.sessions.pruning import sweep_points
from pumice.sessions.restoring import restore
from pumice.sessions.snapshots import NewSnapshot
from pumice.sessions.staleness import refresh_stale
from pumice.sessions.tombs import sweep_tombs
from tests.support.cuts import cut
from tests.support.protocol import AGENT, Protocol, done, failed, new, part

KEPT = 4
MOST = 4
"""Sessions at a time."""
which = integers(0, 9)
crash = sampled_from([0, 0, 0, *range(1, 13)])
"""At which statement the connection ends; 0 for none."""
T = TypeVar("T")
SIZES = (10, 2_000, 20_000)


@dataclass(frozen=True)
class Stand:
    """How a session stood: after which interaction, its state and conversation; `number` is its place in its line."""

    id: str
    state: dict[str, Any] | None
    said: tuple[str, ...]
    owner: int
    number: int


@dataclass
class Life:
    """A session's life, its ancestors' included."""

    name: str
    line: int
    stands: list[Stand] = field(default_factory=list)
    names: dict[str, Stand] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    said: tuple[str, ...] = ()
    version: int = 0


class Histories(RuleBasedStateMachine):
    """Whatever happened, each point of each session is as it was, or pruned if it is old enough."""

    protocol: Protocol

    def __init__(self) -> None:
        super().__init__()
        self.protocol.empty()
        self.lives: list[Life] = []
        self.versions: dict[int, int] = {}
        self.counted = 0

    @initialize()
    def begin(self) -> None:
        self._start()

    def _start(self) -> Life:
        self.counted += 1
        life = Life(f"s{self.counted}", self.counted)
        self.lives.append(life)
        self.protocol.accept(new(life.name))
        self._run(life, {"n": 0}, ("hello",))
        return life

    def _do(self, crash: int, act: Callable[[], T]) -> T:
        """Do something. When its connection ended on the way, nothing has happened; then do it again."""
        try:
            with cut(self.protocol.settings.database_url, crash):
                return act()
        except StoreAwayError:
            self.every_session_stands_as_it_does()
            return act()

    def _run(
        self,
        life: Life,
        state: dict[str, Any] | None,
        said: tuple[str, ...],
        *,
        replaces: bool = False,
        crash: int = 0,
    ) -> None:
        """Commit one turn that leaves this state and says this."""
        claimed = self.protocol.claim_one(life.name)
        text = None if state is None else json.dumps(state)
        messages = [Message("user", one) for one in said]
        outcome = replace(done(claimed.work[0]), state=text, messages=messages, replaces_history=replaces)
        self._commit(life, claimed, outcome, crash)
        life.state = life.state if state is None else state
        life.said = said if replaces else life.said + said
        self._stands(life, claimed.work[0].id)

    def _commit(self, life: Life, claimed: Any, outcome: Any, crash: int = 0) -> None:
        changes = part(claimed, outcome)
        changes.keep = KEPT
        assert self._do(crash, lambda: self.protocol.commit(changes)) == {claimed.lease}
        life.version += 1

    def _stands(self, life: Life, interaction_id: str) -> None:
        self.versions[life.line] = life.version
        life.stands.append(Stand(interaction_id, life.state, life.said, life.line, life.version))

    @rule(
        which=which, size=sampled_from(SIZES), place=integers(0, 7), says=integers(0, 2), replaces=booleans(),
        crash=crash,
    )  # fmt: skip
    def turn(self, which: int, size: int, place: int, says: int, replaces: bool, crash: int) -> None:
        life = self.lives[which % len(self.lives)]
        parts = [f"{number:03}" * (size // 24) for number in range(8)]
        parts[place] = f"changed {life.version}"
        said = tuple(f"{life.name} {life.version} {number}" for number in range(says))
        self.protocol.accept(new(life.name))
        self._run(life, {"n": life.version, "parts": parts}, said, replaces=replaces and says > 0, crash=crash)

    @rule(which=which)
    def turn_that_changes_nothing(self, which: int) -> None:
        life = self.lives[which % len(self.lives)]
        self.protocol.accept(new(life.name))
        self._run(life, None, ())

    @rule(which=which)
    def turn_that_fails(self, which: int) -> None:
        life = self.lives[which % len(self.lives)]
        self.protocol.accept(new(life.name))
        claimed = self.protocol.claim_one(life.name)
        self._commit(life, claimed, failed(claimed.work[0]))
        self._stands(life, claimed.work[0].id)

    @rule(which=which, at=integers(0, 30), crash=crash)
    def name(self, which: int, at: int, crash: int) -> None:
        life = self.lives[which % len(self.lives)]
        stand = life.stands[at % len(life.stands)]
        name = f"n{len(life.names)}-{life.version}"
        if name in life.names or not self._is_there(life, stand):
            return
        self._do(crash, lambda: snapshots.take(self.protocol.store, AGENT, life.name, NewSnapshot(name), at=stand.id))
        life.names[name] = stand

    @rule(which=which, at=integers(0, 30), crash=crash)
    def restore(self, which: int, at: int, crash: int) -> None:
        life = self.lives[which % len(self.lives)]
        stand = life.stands[at % len(life.stands)]
        if not self._is_there(life, stand):
            return
        restored = self._do(crash, lambda: restore(self.protocol.store, AGENT, life.name, stand.id))
        life.version += 1
        life.state, life.said = stand.state, stand.said
        self._stands(life, restored.interaction_id)

    @rule(which=which, at=integers(0, 30), crash=crash)
    def fork(self, which: int, at: int, crash: int) -> None:
        life = self.lives[which % len(self.lives)]
        stand = life.stands[at % len(life.stands)]
        if len(self.lives) == MOST or not self._is_there(life, stand):
            return
        self.counted += 1
        child = Life(f"s{self.counted}", self.counted, state=stand.state, said=stand.said)
        point = self._do(crash, lambda: fork(self.protocol.store, AGENT, life.name, NewFork(child.name), at=stand.id))
        child.version = point.point
        child.stands = life.stands[: life.stands.index(stand) + 1]
        if stand.owner == life.line:  # else it is a fork of an ancestor, which has not these names
            child.names = {name: one for name, one in life.names.items() if one in child.stands}
        self.lives.append(child)

    @rule(which=which, crash=crash)
    def delete(self, which: int, crash: int) -> None:
        life = self.lives.pop(which % len(self.lives))
        self._do(crash, lambda: [*delete_session(self.protocol.store, AGENT, life.name)])
        with pytest.raises(UnknownSession):
            resolve(self.protocol.store, AGENT, life.name, None)
        if not self.lives:
            self._start()

    @rule(crash=crash)
    def prune(self, crash: int) -> None:
        self._do(crash, self._sweep)

    def _sweep(self) -> None:
        for sweep in (sweep_points, sweep_tombs):
            more, rounds = True, 0
            while more:
                rounds += 1
                assert rounds < 100, sweep
                with self.protocol.store.transaction() as transaction:
                    _, more = sweep(transaction)

    @rule()
    def refresh(self) -> None:
        refresh_stale(self.protocol.store, AGENT)

    def teardown(self) -> None:
        self.every_point_is_as_it_was()

    def _is_there(self, life: Life, stand: Stand) -> bool:
        """Whether a point can be read; it must be, unless it is old enough to be pruned."""
        try:
            resolve(self.protocol.store, AGENT, life.name, stand.id)
        except (PrunedPoint, UnknownPoint):
            assert self.versions[stand.owner] - stand.number >= KEPT
            return False
        return True

    @invariant()
    def every_session_stands_as_it_does(self) -> None:
        for life in self.lives:
            self._check(life, None, life.state, life.said)

    @rule()
    def every_point_is_as_it_was(self) -> None:
        for life in self.lives:
            for stand in life.stands:
                if self._is_there(life, stand):
                    self._check(life, stand.id, stand.state, stand.said)
            for name, stand in life.names.items():
                self._check(life, name, stand.state, stand.said)

    def _check(self, life: Life, at: str | None, state: Any, said: tuple[str, ...]) -> None:
        store = self.protocol.store
        point = resolve(store, AGENT, life.name, at)
        assert (None if point.state is None else json.loads(point.state)) == state
        assert point.messages == len(said)
        found = read_after(store, AGENT, point.session_id, point.parts, limit=1_000)
        assert tuple(one.content for one in found) == said
        newest = read_newest(store, AGENT, point.session_id, point.parts, limit=2)
        assert tuple(one.content for one in newest) == said[-2:]


@pytest.fixture
def machine(protocol: Protocol) -> type[Histories]:
    Histories.protocol = protocol
    return Histories


def test_every_point_is_what_the_model_says(machine):
    options = settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=options)
