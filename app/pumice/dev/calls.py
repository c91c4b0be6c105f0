"""The commands that `pumice dev` prints, ready to paste."""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from pumice.agents.spec import AgentSpec, Hook
from pumice.dev.datadir import DevFile
from pumice.dev.samples import SESSION, sample


def summary(dev: DevFile, agents: Mapping[str, AgentSpec]) -> list[str]:
    """The address, each agent's keys and how to call it, as lines."""
    url = dev["url"]
    lines = [f"Pumice is ready at {url}   (API: {url}/openapi.json, health: {url}/readyz)"]
    for agent, keys in dev["agents"].items():
        lines += ["", f"agent {agent}", f"  public key {keys['publicKey']}", f"  secret key {keys['secretKey']}"]
        spec = agents.get(agent)
        if spec is None or spec.can_chat:
            lines += ["  " + command for command in _chats(url, agent, keys["publicKey"])]
        if spec:
            lines += [f"  {_hook(url, agent, spec, name, hook)}" for name, hook in spec.hooks.items()]
    return lines


def _chats(url: str, agent: str, key: str) -> list[str]:
    message = {"sessionId": SESSION, "messages": [{"role": "user", "content": "hello"}]}
    post = f"{url}/v1/chat -H 'x-api-key: {key}' {_json(message)}"
    socket = f"ws{url.removeprefix('http')}/v1?agent_id={agent}&api_key={key}&sessionId={SESSION}"
    return [
        f"curl {post}",
        f"curl -N -H 'accept: text/event-stream' {post}",
        f"wscat -c {shlex.quote(socket)}",
    ]


def _hook(url: str, agent: str, spec: AgentSpec, name: str, hook: Hook) -> str:
    request = sample(spec, name, hook)
    address = f"{url}/v1/agents/{agent}/hooks/{name}" + (f"?{urlencode(request.query)}" if request.query else "")
    headers = [f"-H {shlex.quote(f'{header}: {value}')}" for header, value in request.headers.items()]
    body = [_json(request.body)] if "POST" in hook.methods else []
    return " ".join(["curl", shlex.quote(address), *headers, *body])


def _json(value: Mapping[str, Any]) -> str:
    """The options that send `value`."""
    return f"-H 'content-type: application/json' -d {shlex.quote(orjson.dumps(value).decode())}"
