"""What a turn leaves behind does not reach the next one."""

from pumice import Agent, testing
from pumice.agents.context import History, TurnContext
from pumice.agents.live_session import LiveSession
from pumice.agents.spec import describe


class Keeping(Agent):
    class State(Agent.State):
        notes: list[str] = []

    state: State

    def reply(self, messages):
        KEPT.append(self.state)
        return "ok"

    def note(self):
        self.state.notes.append("noted")


KEPT: list[Keeping.State] = []


def test_a_turn_that_is_over_changes_no_state():
    live = LiveSession(describe(Keeping), "s", '{"notes":[]}', History())
    agent = live.activate(TurnContext())
    assert live.save(agent) is None
    agent.state.notes.append("left behind")
    assert live.activate(TurnContext()).state.notes == []


def test_nor_does_an_instance_that_somebody_kept():
    session = testing.session(Keeping)
    session.chat("x")
    KEPT[-1].notes.append("kept")
    session.call("note")
    assert session.state.notes == ["noted"]
