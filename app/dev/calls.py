"""The commands that `pumice dev` prints, ready to paste."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import orjson

from app.agents.spec import AgentSpec, Hook
from app.dev.datadir import DevFile

_SAMPLE = "demo"


def summary(dev: DevFile, agents: Mapping[str, AgentSpec]) -> list[str]:
    """The address, each agent's keys and how to call it, as lines."""
    url = dev["url"]
    lines = [f"Pumice is ready at {url}   (API: {url}/openapi.json, health: {url}/readyz)"]
    for agent, keys in dev["agents"].items():
        lines += ["", f"agent {agent}", f"  public key {keys['publicKey']}", f"  secret key {keys['secretKey']}"]
        spec = agents.get(agent)
        if spec is None or spec.can_chat:
            lines += ["  " + command for command in _chats(url, agent, keys["publicKey"])]
        for name, hook in (spec.hooks if spec else {}).items():
            lines.append("  " + _hook(url, agent, name, hook))
    return lines


def _chats(url: str, agent: str, key: str) -> list[str]:
    message: dict[str, Any] = {"sessionId": _SAMPLE, "messages": [{"role": "user", "content": "hello"}]}
    post = f"{url}/v1/chat -H 'x-api-key: {key}' -H 'content-type: application/json' -d {_json(message)}"
    socket = f"ws{url.removeprefix('http')}/v1?agent_id={agent}&api_key={key}&sessionId={_SAMPLE}"
    return [
        f"curl {post}",
        f"curl -N -H 'accept: text/event-stream' {post}",
        f"wscat -c {shlex.quote(socket)}",
    ]


def _hook(url: str, agent: str, name: str, hook: Hook) -> str:
    """A call whose request has what the hook's session selector looks for, where its name tells."""
    address = f"{url}/v1/agents/{agent}/hooks/{name}"
    options, body = [], {}
    match re.fullmatch(r"(body|query|header)\('([^']+)'\)", hook.session.name):
        case None:
            pass
        case found if found[1] == "query":
            address += f"?{found[2]}={_SAMPLE}"
        case found if found[1] == "header":
            options.append(f"-H '{found[2]}: {_SAMPLE}'")
        case found:
            body = _nested(found[2].split("."))
    if "POST" in hook.methods:
        options.append(f"-H 'content-type: application/json' -d {_json(body)}")
    return " ".join(["curl", shlex.quote(address), *options])


def _nested(keys: list[str]) -> dict[str, Any]:
    value: Any = _SAMPLE
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _json(value: Mapping[str, Any]) -> str:
    return shlex.quote(orjson.dumps(value).decode())
