"""Agents that act by themselves: calls, schedules and jobs."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from pumice import Agent, Retry, job


class Caller(Agent):
    """Does what it is told: `call <session>`, `later <seconds>`, `at`, `again`, `send`."""

    class State(Agent.State):
        heard: list[Any] = []

    state: State

    def reply(self, messages):
        command, _, rest = messages[-1].text.partition(" ")
        match command:
            case "call":
                return self.call(rest, "hear", self.session_id, loud=True)
            case "call-and-fail":
                self.call(rest, "hear", self.session_id)
                raise RuntimeError("after the call")
            case "later":
                return self.schedule(float(rest), "hear", "later")
            case "at":
                return self.schedule(datetime.now(UTC) + timedelta(milliseconds=100), "hear", "at")
            case "retry":
                return self.call(self.session_id, "twice")
            case "send":
                self.send({"rest": rest})
        return "done"

    def hear(self, what: str, *, loud: bool = False) -> str:
        self.state.heard.append([what, loud] if loud else what)
        return what.upper()

    def twice(self) -> int:
        if self.interaction.attempt == 1:
            self.state.heard.append("lost")
            raise Retry(0.05)
        self.state.heard.append(self.interaction.attempt)
        return self.interaction.attempt


class Ticker(Agent):
    """Counts the seconds in each session, and in a folder those of the deployment."""

    class State(Agent.State):
        times: list[datetime] = []

    state: State

    def reply(self, messages):
        return "here"

    @job("* * * * * *", overlap="queue")
    def tick(self) -> None:
        due = self.interaction.scheduled_for
        assert due is not None
        self.state.times = [*self.state.times, due]

    @job("* * * * * *", timezone="Asia/Kolkata", overlap="queue")
    async def tick_async(self) -> None:
        """The same on the event loop."""

    @staticmethod
    @job("* * * * * *", overlap="queue")
    def once() -> None:
        with open(os.environ["TICKS_FILE"], "a") as file:  # noqa: PTH123 (append, as the shortest)
            file.write("once\n")
