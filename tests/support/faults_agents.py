"""The agents of the fault tests: whatever they do leaves a trace that can be counted.

A number may name a gate. Its handler then notes that it is there (a file in FAULT_GATES, one line an attempt with its
process id) and waits until the test opens the gate.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from pumice import Agent, body, hook, job

PACE = 0.01
"""Seconds between two looks at a gate."""


class Gates:
    """A folder in which handlers say where they are, and tests let them go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def reach(self, name: str) -> None:
        """Note that this process stands before the gate."""
        with (self.folder / f"{name}.reached").open("a") as file:
            file.write(f"{os.getpid()}\n")

    def is_open(self, name: str) -> bool:
        """May one pass?"""
        return (self.folder / f"{name}.open").exists()

    def open(self, name: str) -> None:
        """Let everybody pass, from now on."""
        (self.folder / f"{name}.open").touch()

    def attempts(self, name: str) -> list[int]:
        """The process ids that came to the gate, oldest first."""
        try:
            return [int(line) for line in (self.folder / f"{name}.reached").read_text().split()]
        except FileNotFoundError:
            return []


def gates() -> Gates:
    """The gates of the running test."""
    return Gates(Path(os.environ["FAULT_GATES"]))


def pass_gate(name: str | None) -> None:
    """Wait before a gate on this thread."""
    if name:
        gates().reach(name)
        while not gates().is_open(name):
            time.sleep(PACE)


class Checked(Agent):
    """Keeps the numbers that it was sent, in order, and has each booked once in a ledger session."""

    class State(Agent.State):
        numbers: list[int] = []
        booked: list[str] = []

    @hook("add", session=body("session"))
    def add(self, request: Any) -> Any:
        pass_gate(request.json.get("gate"))
        return self.take(request.json["number"], request.json["ledger"])

    @hook("post", session=body("session"), respond="accepted")
    def post(self, request: Any) -> Any:
        pass_gate(request.json.get("gate"))
        return self.take(request.json["number"], request.json["ledger"])

    @hook("await", session=body("session"))
    async def wait(self, request: Any) -> Any:
        await self.pass_gate(request.json.get("gate"))
        return self.take(request.json["number"], request.json["ledger"])

    @hook("die", session=body("session"), respond="accepted")
    def die(self, request: Any) -> None:
        gates().reach(self.session_id)
        os.kill(os.getpid(), signal.SIGKILL)

    async def burn(self, seconds: float) -> None:
        gates().reach(self.session_id)
        await asyncio.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    async def dwell(self, name: str) -> None:
        gates().reach(name)
        while not gates().is_open(name):  # noqa: ASYNC110 (the event is a file)
            await asyncio.sleep(1)

    def reply(self, messages: Any) -> str:
        number, ledger, gate = list(messages)[-1].content.split(" ")  # the whole history, which is read for that
        pass_gate(gate)
        self.take(int(number), ledger)
        return f"took {number}"

    def take(self, number: int, ledger: str) -> dict[str, int]:
        self.state.numbers.append(number)
        if ledger:
            self.call(ledger, "book", f"{self.session_id}/{number}")
        return {"number": number, "pid": os.getpid()}

    def book(self, entry: str) -> None:
        self.state.booked.append(entry)

    async def pass_gate(self, name: str | None) -> None:
        if name:
            gates().reach(name)
            while not gates().is_open(name):  # noqa: ASYNC110 (the event is a file)
                await asyncio.sleep(PACE)


class Ticking(Agent):
    """Notes each due time that reached it, every other second."""

    class State(Agent.State):
        ticks: list[str] = []

    @job("* * * * * */2", overlap="queue")
    def note(self) -> None:
        self.state.ticks.append(str(self.interaction.scheduled_for))


class Wide(Agent):
    """The same for many sessions, when a test makes a tick."""

    class State(Agent.State):
        ticks: list[str] = []

    @job("0 0 29 2 *")
    def note(self) -> None:
        self.state.ticks.append(str(self.interaction.scheduled_for))


AGENTS = ",".join(f"{name.lower()}={__name__}:{name}" for name in ("Checked", "Ticking", "Wide"))
