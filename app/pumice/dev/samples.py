"""Requests that the printed commands make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pumice.agents.handlers import Hook
from pumice.agents.spec import AgentSpec

SESSION = "demo"
"""The session that the printed commands use."""


@dataclass(frozen=True)
class Sample:
    """A request to a hook."""

    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


EXAMPLES = {
    "examples.orders.OrderDesk/order-update": Sample({"id": "7", "status": "sent", "customer": {"id": SESSION}}),
    "examples.github.RepositoryWatcher/github": Sample(
        {"action": "created", "repository": {"full_name": f"octocat/{SESSION}"}}, headers={"X-GitHub-Event": "star"}
    ),
}
"""What the examples' hooks understand, by class and hook."""


def sample(agent: AgentSpec, name: str, hook: Hook) -> Sample:
    """A request for `hook`: an example's own, else one with what the hook's session selector looks for."""
    known = EXAMPLES.get(f"{agent.cls.__module__}.{agent.cls.__qualname__}/{name}")
    return known or _for_selector(hook.session.name)


def _for_selector(selector: str) -> Sample:
    found = re.fullmatch(r"(body|query|header)\('([^']+)'\)", selector)
    if not found:
        return Sample()
    kind, key = found.groups()
    if kind == "query":
        return Sample(query={key: SESSION})
    if kind == "header":
        return Sample(headers={key: SESSION})
    value: Any = SESSION
    for part in reversed(key.split(".")):
        value = {part: value}
    return Sample(value)
