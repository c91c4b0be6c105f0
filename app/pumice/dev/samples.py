"""Requests to hooks: those that the printed commands make, and those of `pumice hooks trigger`."""

import re
from dataclasses import replace

from pumice.agents.handlers import Hook
from pumice.agents.sources import Sample, put_field
from pumice.agents.spec import AgentSpec

SESSION = "demo"
"""The session that the printed commands use."""
SELECTOR = re.compile(r"(body|query|header)\('([^']+)'\)")

EXAMPLES = {
    "examples.orders.OrderDesk/order-update": Sample({"id": "7", "status": "sent", "customer": {"id": SESSION}}),
    "examples.github.RepositoryWatcher/github": Sample(
        {"action": "created", "repository": {"full_name": f"octocat/{SESSION}"}},
        headers={"X-GitHub-Event": "star", "X-GitHub-Delivery": "{id}"},
    ),
}
"""What the examples' hooks understand, by class and hook."""


def sample(agent: AgentSpec, name: str, hook: Hook, session: str = SESSION) -> Sample:
    """A request for `hook`: an example's own, else its sender's or an empty one, for a session of this id."""
    known = EXAMPLES.get(f"{agent.cls.__module__}.{agent.cls.__qualname__}/{name}")
    if known is not None and session == SESSION:
        return known
    plain = hook.source.sample if hook.source is not None else Sample({})
    given = known or plain
    if hook.source is None and "POST" not in hook.methods:
        given = replace(given, method=hook.methods[0], body=None)
    return _for_session(given, hook.session.name, session)


def _for_session(given: Sample, selector: str, session: str) -> Sample:
    found = SELECTOR.fullmatch(selector)
    if not found:
        return given
    kind, key = found.groups()
    if kind == "query":
        return replace(given, query={**given.query, key: session})
    if kind == "header":
        return replace(given, headers={**given.headers, key: session})
    if given.form is not None:
        return replace(given, form={**given.form, key: session})
    body = put_field(given.body, key.split("."), session)
    return given if body is None else replace(given, body=body)
