"""An agent that plans what it does later."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pumice import Agent
from tests.support.gates import pass_gate


class Planner(Agent):
    """Chats are `start`, `in SECONDS KEY`, `soon KEY`, `later SECONDS`, `cancel KEY`, `zone NAME`, `fail`, `wait GATE`.

    Others say nothing but its timezone.
    """

    class State(Agent.State):
        told: list[str] = []
        missed: list[int] = []

    def reply(self, messages: Any) -> str:
        word, *rest = messages[-1].text.split()
        match word:
            case "start":
                self.schedule_every("0 9 * * *", "tell", "morning", key="morning", timezone="session")
                self.schedule_every(timedelta(hours=1), "tell", "hour", key="hour")
            case "in":
                self.schedule(float(rest[0]), "tell", rest[1], key=rest[1])
            case "soon":
                self.schedule_every(timedelta(seconds=1), "tell", rest[0], key=rest[0])
            case "later":
                return self.schedule(float(rest[0]), "tell", "later")
            case "cancel":
                self.unschedule(rest[0])
            case "zone":
                self.timezone = rest[0] if rest else None
            case "fail":
                self.timezone = "Asia/Tokyo"
                self.schedule(0, "tell", "never", key="never")
                raise ValueError("after it scheduled")
            case "wait":
                pass_gate(rest[0])
        return str(self.timezone)

    def tell(self, what: str, *, mark: str = "") -> str:
        self.state.told.append(what + mark)
        self.state.missed.append(self.interaction.missed)
        return what

    def touch(self, path: str) -> None:
        Path(path).touch()

    def on_error(self, error: BaseException) -> None:
        self.schedule(86_400, "tell", "failed", key="failed")
