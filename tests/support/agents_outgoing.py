"""An agent that tells other systems what happened."""

from typing import Any

from pumice import Agent, hook
from tests.support.gates import pass_gate


class Shop(Agent):
    """Chats are `emit TYPE DATA`, `fail TYPE`, `twice TYPE`, `wait GATE TYPE`; anything else is repeated."""

    class State(Agent.State):
        orders: int = 0

    def reply(self, messages: Any) -> str:
        word, *rest = messages[-1].text.split()
        match word:
            case "emit":
                self.state.orders += 1
                return self.emit(rest[0], {"order": " ".join(rest[1:]), "number": self.state.orders})
            case "fail":
                self.emit(rest[0], {"order": "never"})
                raise ValueError("after it emitted")
            case "twice":
                return " ".join([self.emit(rest[0], 1), self.emit(rest[0], 2)])
            case "wait":
                event = self.emit(rest[1], {})
                pass_gate(rest[0])
                return event
        return str(messages[-1].text)

    @hook("order", session="orders")
    def order(self, request: Any) -> dict[str, str]:
        return {"event": self.emit("order.placed", request.json)}
