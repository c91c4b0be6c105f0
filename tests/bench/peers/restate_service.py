"""The agent under load as a Restate service: what tests.bench.agents does, in handlers of a virtual object.

Another Python environment runs this file, so it imports the standard library and Restate's SDK only.
"""

from typing import Any

import restate

PAGE = 500
"""Sends in one invocation of the fan-out: every one is an entry of its journal."""

session = restate.VirtualObject("Session")
ticker = restate.Service("Ticker")


@session.handler()
async def event(context: restate.ObjectContext, payload: dict[str, Any]) -> dict[str, Any]:
    """Count one webhook and tell its place among those that the session has seen."""
    position = await _add(context, "count")
    return {"position": position}


@session.handler()
async def chat(context: restate.ObjectContext, payload: dict[str, Any]) -> dict[str, Any]:
    """Answer, and count the turn in the state.

    The conversation stays in the journals, which Restate keeps for a day. As a list in the state it would be loaded
    and saved whole with each turn.
    """
    await _add(context, "turns")
    text = payload["messages"][-1]["content"]
    return {"message": {"role": "assistant", "content": f"You said {text}."}}


@session.handler()
async def tick(context: restate.ObjectContext) -> None:
    """Count one due time."""
    await _add(context, "ticks")


@ticker.handler()
async def fan_out(context: restate.Context, sessions: int) -> None:
    """Have the sessions s0 and up tick."""
    for start in range(0, sessions, PAGE):
        context.service_send(page, {"start": start, "end": min(start + PAGE, sessions)})


@ticker.handler()
async def page(context: restate.Context, numbers: dict[str, int]) -> None:
    """Have some of the sessions tick."""
    for number in range(numbers["start"], numbers["end"]):
        context.object_send(tick, f"s{number}", None)


async def _add(context: restate.ObjectContext, key: str) -> int:
    value = (await context.get(key, type_hint=int) or 0) + 1
    context.set(key, value)
    return value


app = restate.app([session, ticker])
