"""The commands that `pumice dev` prints, ready to paste."""

import shlex
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import orjson

from pumice.dev.datadir import DevFile
from pumice.dev.inspection import HookSample, ServedAgent
from pumice.dev.samples import SESSION


def summary(dev: DevFile, agents: Iterable[ServedAgent]) -> list[str]:
    """The address, each agent's keys and how to call it, as lines."""
    url = dev["url"]
    lines = [f"Pumice is ready at {url}   (API: {url}/openapi.json, health: {url}/readyz)"]
    for agent in agents:
        lines += ["", *agent_lines(dev, agent)]
    return lines


def agent_lines(dev: DevFile, agent: ServedAgent) -> list[str]:
    """The agent's keys, and the commands that call it. Without keys (see `ensure_keys`), only its name."""
    url, lines = dev["url"], [f"agent {agent.id}"]
    if not (keys := dev["agents"].get(agent.id)):
        return lines
    lines += [f"  public key {keys['publicKey']}", f"  secret key {keys['secretKey']}"]
    if agent.can_chat:
        lines += ["  " + command for command in _chats(url, agent.id, keys["publicKey"])]
    return [*lines, *(f"  {_hook(url, agent.id, hook)}" for hook in agent.hooks)]


def _chats(url: str, agent: str, key: str) -> list[str]:
    message = {"sessionId": SESSION, "messages": [{"role": "user", "content": "hello"}]}
    post = f"{url}/v1/chat -H 'x-api-key: {key}' {_json(message)}"
    socket = f"ws{url.removeprefix('http')}/v1?agent_id={agent}&api_key={key}&sessionId={SESSION}"
    return [
        f"curl {post}",
        f"curl -N -H 'accept: text/event-stream' {post}",
        f"wscat -c {shlex.quote(socket)}",
    ]


def _hook(url: str, agent: str, hook: HookSample) -> str:
    if hook.is_signed:
        return f"pumice hooks trigger {agent} {hook.name}"
    address = f"{url}/v1/agents/{agent}/hooks/{hook.name}" + (f"?{urlencode(hook.query)}" if hook.query else "")
    headers = [f"-H {shlex.quote(f'{header}: {value}')}" for header, value in hook.headers.items()]
    body = [_json({} if hook.body is None else hook.body)] if "POST" in hook.methods else []
    return " ".join(["curl", shlex.quote(address), *headers, *body])


def _json(value: Any) -> str:
    """The options that send `value`."""
    return f"-H 'content-type: application/json' -d {shlex.quote(orjson.dumps(value).decode())}"
