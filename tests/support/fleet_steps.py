"""An operator of operations on the protocol's database, and the agent whose sessions it is about."""

import threading
from typing import Any

from pumice import Agent
from pumice.agents.operations import read_operation
from pumice.sessions import operations
from pumice.sessions.connections import StoreConnection
from pumice.sessions.engine import make_engine
from pumice.sessions.operation_actions import Did
from pumice.sessions.operation_steps import Operated, Operator
from tests.support.protocol import AGENT, Protocol, done, new

LIMIT = 0.3


class Shop(Agent):
    state_version = 2
    returns = threading.Event()
    """Lets `migrate_state` of states that say `hang` return."""
    looks: Any = staticmethod(lambda: None)
    """What `migrate_state` calls."""

    class State(Agent.State):
        plan: str = ""
        pad: str = ""

    @classmethod
    def migrate_state(cls, state: dict[str, Any], from_version: int) -> dict[str, Any]:
        assert from_version == 1
        cls.looks()
        if state["plan"] == "hang":
            cls.returns.wait()
        if state["plan"].startswith("raise:"):
            raise ValueError(state["plan"][6:].encode().decode("unicode_escape"))
        return state


class OtherShop(Agent):
    class State(Agent.State):
        price: int = 0


class Fleet:
    """A worker's operator on the protocol's database, and what it tells."""

    def __init__(self, protocol: Protocol, cls: type[Agent] = Shop) -> None:
        self.protocol = protocol
        self.engine = make_engine(protocol.settings)
        self.store = StoreConnection(protocol.settings, lock_wait=0.2)
        self.told: list[tuple[str, int]] = []
        self.after: Any = lambda _session: None
        self.operator = Operator(self.store, self.engine, {AGENT: Operated(cls, LIMIT)}, self.tell)

    def tell(self, _agent: str, session: str, did: Did) -> None:
        self.told.append((session, len(did.closed)))
        self.after(session)

    def start(self, action: str, where: dict[str, Any] | None = None, **options: Any) -> str:
        wanted = read_operation(Shop, {"action": action, "where": where or {}, **options})
        return operations.start(self.store, AGENT, wanted, 0)

    def step(self) -> bool:
        return self.operator.step()

    def read(self, operation: str) -> dict[str, Any]:
        return operations.read(self.store, AGENT, operation)

    def run(self, action: str, where: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The operation, after a worker did what it could."""
        operation = self.start(action, where, **options)
        while self.step():
            pass
        return self.read(operation)

    def turn(self, session: str, **state: Any) -> None:
        self.protocol.accept(new(session, "chat"))
        claimed = self.protocol.claim_one(session)
        assert self.protocol.finish(claimed, done(claimed.work[0], state={"plan": "", "pad": "", **state}))

    def old(self, session: str, plan: str) -> None:
        """A session whose state is of the version before."""
        self.turn(session, plan=plan)
        self.protocol.query("update sessions set state_version = 1 where id = %s", session)

    def sessions(self) -> list[str]:
        return [row["id"] for row in self.protocol.query("select id from sessions order by id")]

    def end(self) -> None:
        self.store.close()
        self.engine.dispose()


def counts(operation: dict[str, Any]) -> tuple[str, int, int, int]:
    """How it ended, and what was done, skipped and failed."""
    return operation["status"], operation["done"], operation["skipped"], operation["failed"]
