"""An agent that takes anything and never fails, for generated requests."""

from pumice import Agent, hook, job, query


class Anything(Agent):
    class State(Agent.State):
        seen: int = 0

    def reply(self, messages):
        self.state.seen += 1
        return f"{len(messages)} messages"

    def receive(self, data):
        return data

    @hook("any", session=query("session"))
    def any(self, request):
        self.state.seen += 1
        return {"bytes": len(request.body)}

    @staticmethod
    @job("0 0 29 2 *")
    def leap() -> None: ...
