"""What all management routes ask of a request: the agent's secret key, and which page of a list is wanted."""

from flask import request

from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField
from pumice.web.http.front import Front
from pumice.web.http.request_fields import given_key

PAGE = 100
MOST = 1000
LAST_SEQ = 2**63 - 1


def authorised(front: Front, agent_id: str) -> AgentSpec:
    """The agent, for a request with its secret key. Raises `UnknownAgent`, `Unauthorized`, `Forbidden`."""
    spec = front.agent(agent_id)
    front.keys.check(given_key(request), request.remote_addr or "", agent_id=agent_id, secret=True)
    return spec


def page_limit() -> int:
    """How many rows the request wants. Raises `InvalidField`."""
    return page_number("limit", PAGE, MOST, least=1)


def page_number(name: str, default: int, most: int, least: int = 0) -> int:
    """A whole number in the query. Raises `InvalidField`."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidField(name, f"must be a whole number from {least} to {most}")
    return int(text)
