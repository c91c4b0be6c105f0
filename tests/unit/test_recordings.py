"""What models and tools answered, given again in a replay: it comes out as it did."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pumice import Agent, handler, tool
from pumice.agents.recordings import MISSING
from pumice.agents.turn import Outcome
from tests.support.openai_server import ToolCall
from tests.support.turns import bench


class Teller(Agent):
    model = "openai:gpt-6-luna"

    class State(Agent.State):
        told: list[int] = []

    @tool
    def add(self, amount: int) -> int:
        """Add an amount."""
        self.state.told.append(amount)
        return sum(self.state.told)

    @tool
    def plan(self, zone: str) -> str:
        """Plan something."""
        self.timezone = zone
        self.schedule(datetime(2030, 1, 1, tzinfo=UTC), "told", key="once")
        self.schedule_every("@daily", "told", key="daily", timezone="session")
        self.schedule_every(timedelta(hours=1), "told", key="hourly")
        self.unschedule("other")
        return "planned"

    def told(self) -> None:
        """Nothing."""

    @tool
    def half(self) -> str:
        """Half a pair."""
        return "\ud800"

    @tool
    async def hang(self) -> str:
        """Never ends."""
        await asyncio.Event().wait()
        return "never"


class Hasty(Teller):
    @handler(timeout=1)
    def reply(self, messages: Any) -> Any:
        return super().reply(messages)


def told(outcome: Outcome) -> tuple[Any, ...]:
    """What a replay compares."""
    failure = outcome.failure
    return outcome.status, outcome.result, failure and (failure.type, failure.message), outcome.state, outcome.usage


def recorded(outcome: Outcome) -> dict[str, Any]:
    assert outcome.recording is not None
    document: dict[str, Any] = json.loads(outcome.recording)
    return document


def replayed(outcome: Outcome, agent: type[Agent] = Teller) -> Outcome:
    return bench(agent).chat("go on", answers=outcome.recording)


def test_calls_of_one_id_get_each_their_own_answer(server):
    server.replies(*([ToolCall("add", {"amount": amount}, id="call_same")] for amount in (1, 2)), "Done.")
    outcome = bench(Teller).chat("go on")
    assert [one["result"] for one in recorded(outcome)["tools"]] == [1, 3]
    assert told(replayed(outcome)) == told(outcome)


def test_what_tools_scheduled_is_scheduled_again(server):
    server.replies([ToolCall("plan", {"zone": "Asia/Tokyo"})], [ToolCall("plan", {"zone": "UTC"})], "Done.")
    outcome = bench(Teller).chat("go on")
    again = replayed(outcome)
    assert told(again) == told(outcome)
    assert (again.schedules, again.timezone, again.moves) == (outcome.schedules, "UTC", True)
    assert len(again.schedules) == 8


def test_a_turn_that_took_too_long_does_so_again(server):
    server.replies("Hi.", ["Let me see. ", ToolCall("hang"), ToolCall("add", {"amount": 1})])
    bench(Teller).chat("hi")  # what is imported for the first time takes long
    outcome = bench(Hasty).chat("go on")
    assert outcome.failure is not None
    assert recorded(outcome)["error"] == ["timeout", outcome.failure.message]
    assert told(replayed(outcome, Hasty)) == told(outcome)


def test_half_a_surrogate_pair_hides_no_error_and_is_recorded(server):
    server.replies([ToolCall("half")], "Done.")
    outcome = bench(Teller).chat("go on")
    assert outcome.failure is not None
    assert outcome.failure.type != "TypeError"
    assert recorded(outcome)["tools"][0]["result"] == "\ud800"
    assert told(replayed(outcome)) == told(outcome)


def test_a_turn_of_which_nothing_was_recorded_says_so():
    outcome = bench(Teller).chat("go on", answers=MISSING)
    assert outcome.failure is not None
    assert outcome.failure.message == "nothing that a model answered was recorded for this turn"
