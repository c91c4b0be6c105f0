"""Agents that hold a thread, or a place on the loop, and one that does not."""

import asyncio
import time

from pumice import Agent, hook, query
from tests.support.gates import pass_gate, pass_gate_async


class Quiet(Agent):
    """Answers at once."""

    def reply(self, messages):
        return "ok"


class AsyncQuiet(Agent):
    """Answers at once, from the loop."""

    async def reply(self, messages):
        await asyncio.sleep(0)
        return "ok"


class Noisy(Agent):
    """Holds its thread for a while, or until a gate opens."""

    @hook("work", session=query("session"))
    def work(self, request):
        if "gate" in request.query:
            pass_gate(request.query["gate"])
        else:
            time.sleep(float(request.query["seconds"]))


class AsyncNoisy(Agent):
    """Holds its place on the loop until a gate opens."""

    @hook("work", session=query("session"))
    async def work(self, request):
        await pass_gate_async(request.query["gate"])
