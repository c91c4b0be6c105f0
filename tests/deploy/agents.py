"""The agent that is deployed: each of its answers can be counted."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from pumice import Agent, body, hook, job
from tests.support.faults_agents import gates, pass_gate


class Desk(Agent):
    """Keeps notes and the due times that reached it."""

    class State(Agent.State):
        notes: list[str] = []
        ticks: list[str] = []

    def reply(self, messages: Any) -> Iterator[str]:
        text = list(messages)[-1].content
        name, _, gate = text.partition(" at ")
        yield f"{name}, "
        pass_gate(gate)
        self.state.notes.append(name)
        yield f"{len(self.state.notes)} notes"

    @hook("note", session=body("session"))
    def note(self, request: Any) -> dict[str, int]:
        pass_gate(request.json.get("gate"))
        self.state.notes.append(request.json["note"])
        return {"notes": len(self.state.notes), "pid": os.getpid()}

    @hook("later", session=body("session"), respond="accepted")
    def later(self, request: Any) -> None:
        pass_gate(request.json.get("gate"))
        self.state.notes.append(request.json["note"])

    @hook("stuck", session=body("session"), timeout=1, respond="accepted")
    def stuck(self, request: Any) -> None:
        gates().reach(request.json["gate"])
        while True:  # what stops it is the end of its process
            time.sleep(0.05)

    @hook("die", session=body("session"), respond="accepted")
    def die(self, request: Any) -> None:
        if not gates().attempts(request.json["gate"]):
            gates().reach(request.json["gate"])
            os.kill(os.getpid(), signal.SIGKILL)
        self.state.notes.append("alive")

    def receive(self, data: Any) -> Any:
        return {"received": data}

    @job("* * * * * */2")
    def tick(self) -> None:
        self.state.ticks.append(str(self.interaction.scheduled_for))


AGENTS = f"desk={__name__}:Desk"
