"""The agent whose turns are interrupted by `tests.acceptance.recovery`."""

import time

from pumice import Agent


class Sleeper(Agent):
    """Takes its time."""

    class State(Agent.State):
        turns: int = 0

    state: State

    def reply(self, messages):
        time.sleep(0.2)
        self.state.turns += 1
        return str(self.state.turns)
