"""An agent whose jobs are due in all the ways that operators ask about; none of them by itself while tests run."""

from typing import Any

from pumice import Agent, job


class Reminders(Agent):
    class State(Agent.State):
        plan: str = ""
        runs: int = 0

    state: State

    def reply(self, messages: Any) -> str:
        self.state.plan = messages[-1].text
        return self.state.plan

    @job("0 9 1 1 *")
    def remind(self) -> None:
        self.state.runs += 1

    @job("0 9 * * *", timezone="session", overlap="queue")
    def local(self) -> None: ...

    @job(every=3600, anchor="created")
    def hourly(self) -> None: ...

    @job("0 9 1 1 *", where={"state.plan": "pro"}, jitter=60)
    def billed(self) -> None: ...

    @job("0 9 1 1 *", temporary=True)
    def everyone(self) -> None: ...

    @job("0 9 1 1 *", retries=0)
    def broken(self) -> None:
        raise ValueError("no paper")

    @staticmethod
    @job("0 0 1 1 *")
    def nightly() -> None: ...
