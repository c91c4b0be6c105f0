"""The baseline's agent: what tests.bench.agents does, on a plain dictionary."""

import asyncio
import base64
import os
import time
from typing import Any


def event(state: dict[str, Any], payload: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Count one webhook and tell its place among those that the session has seen."""
    state = {**state, "count": state.get("count", 0) + 1}
    if "pad" in payload:
        state["pad"] = base64.b64encode(os.urandom(payload["pad"] * 3 // 4)).decode()
    return state, {"position": state["count"]}


def reply(text: str) -> str:
    """Answer a chat: at once, or after a second spent asynchronously (`wait`) or synchronously (`block`)."""
    if text == "wait":
        asyncio.run(asyncio.sleep(1))
    elif text == "block":
        time.sleep(1)
    return f"You said {text}."


def job(state: dict[str, Any]) -> dict[str, Any]:
    """Count one tick."""
    return {**state, "ticks": state.get("ticks", 0) + 1}
