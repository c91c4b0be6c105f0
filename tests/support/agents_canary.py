"""An agent of which workers tell their release."""

import os
from typing import Any

from pumice import Agent, hook, query
from tests.support.gates import pass_gate


class Teller(Agent):
    """Replies with the release of the worker that runs it, and counts."""

    class State(Agent.State):
        turns: int = 0

    def reply(self, messages: Any) -> str:
        word, _, rest = messages[-1].text.partition(" ")
        if word == "gate":
            pass_gate(rest)
        self.state.turns += 1
        return os.environ.get("RELEASE", "")

    @hook("count", session=query("session"))
    def count(self, request: Any) -> dict[str, Any]:
        self.state.turns += 1
        return {"release": os.environ.get("RELEASE", "")}
