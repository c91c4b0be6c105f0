"""An agent with many sessions, whose State is at its second version."""

import os
from typing import Any

from pumice import Agent
from tests.support.gates import pass_gate


class Ledger(Agent):
    """Chats are amounts. `wait GATE` stops at a gate."""

    state_version = 2

    class State(Agent.State):
        total: int = 0
        region: str = ""

    @classmethod
    def migrate_state(cls, state: dict[str, Any], from_version: int) -> dict[str, Any]:
        if state.get("parts") == "exit":
            raise SystemExit(3)
        if state.get("parts") == "crash":
            os._exit(3)
        return {"total": sum(state.pop("parts")), **state} if from_version < 2 else state

    def reply(self, messages: Any) -> str:
        word, *rest = messages[-1].text.split()
        if word == "wait":
            pass_gate(rest[0])
        elif word == "region":
            self.state.region = rest[0]
        else:
            self.state.total += int(word)
        return str(self.state.total)
