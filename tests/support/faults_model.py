"""What the protocol on Postgres must do, said in memory: a few lists for each session, and who may run it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pumice.sessions.claim import ClaimedSession

CRASHES = 3
"""How many lone crashes an interaction survives less one."""


@dataclass(eq=False)
class Item:
    """One interaction as the model knows it."""

    id: str
    session: str
    number: int
    status: str = "queued"
    due: bool = True
    attempts: int = 0
    crashes: int = 0
    announced: int = 0
    """When it was announced under the live lease, as a place in the order of announcements; 0 when it was not."""


@dataclass(eq=False)
class Claim:
    """A lease that a simulated worker believes in: what it claimed, and what it has done with it so far."""

    real: ClaimedSession
    items: list[Item]
    state: list[int]
    version: int
    place: int = 0

    @property
    def session(self) -> str:
        return self.real.lease.session_id


@dataclass(eq=False)
class Session:
    """One session: its work in the order of acceptance, its effects, and whose lease is live."""

    name: str
    items: list[Item] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    holder: Claim | None = None
    expired: bool = False
    blocked: bool = False
    probation: bool = False
    group: int = 0
    """Its group of suspects, as rescue chose it; below 0 it runs alone."""

    @property
    def due(self) -> list[Item]:
        """What a claim gets, in order."""
        return [item for item in self.items if item.status == "queued" and item.due]

    def claimable(self, group: int) -> bool:
        """Would a claim for that group get it?"""
        mine = self.group if self.probation else 0
        return self.holder is None and not self.blocked and bool(self.due) and mine == group

    def break_lease(self) -> None:
        """What rescue does with an expired lease: free it, and blame what started last if it ran alone."""
        alone, self.probation = self.probation and self.group < 0, True
        self.holder, self.expired = None, False
        due = self.due
        started = [item for item in due if item.announced]
        for item in started if alone else {*started, due[0]}:
            item.attempts += 1
        if alone and started:
            culprit = max(started, key=lambda item: item.announced)
            culprit.crashes += 1
            if culprit.crashes >= CRASHES:
                culprit.status = "dead"
        for item in self.items:
            item.announced = 0

    def apply(self, item: Item, status: str, state: list[int], *, blocking: bool) -> None:
        """One committed outcome."""
        item.attempts += 1
        item.announced = 0
        if status == "done":
            item.status, self.state = "done", state
            self.messages.append(f"message {item.number}")
        elif status == "retry":
            item.due = False
            self.blocked = blocking
        else:
            item.status = status


@dataclass
class Model:
    """All sessions, and all that was called: `ledger` has each done number once."""

    sessions: dict[str, Session]
    ledger: list[str] = field(default_factory=list)
    numbers: int = 0

    def new(self, session: str, item_id: str) -> Item:
        """The next interaction of a session."""
        self.numbers += 1
        item = Item(item_id, session, self.numbers)
        self.sessions[session].items.append(item)
        return item

    def revive(self, ids: Iterable[str]) -> None:
        """Repeats of what had failed queue it again."""
        items = {item.id: item for session in self.sessions.values() for item in session.items}
        for item_id in ids:
            assert items[item_id].status in {"failed", "dead"}
            items[item_id].status, items[item_id].due = "queued", True

    def holds(self, claim: Claim) -> bool:
        """Is this lease the live one?"""
        return self.sessions[claim.session].holder is claim

    def rows(self) -> list[tuple[Any, ...]]:
        """Every interaction as Postgres should have it."""
        return [
            (item.id, item.status, item.attempts)
            for session in self.sessions.values()
            for item in sorted(session.items, key=lambda one: one.number)
        ]
