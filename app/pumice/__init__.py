"""Pumice, a backend for stateful agent sessions: what an author needs to write an agent."""

from pumice.agents.agent import Agent
from pumice.agents.declare import Retry, handler, hook, job, tool
from pumice.agents.messages import Message
from pumice.agents.middleware import Middleware, Turn
from pumice.agents.requests import Request, Response
from pumice.agents.selectors import body, header, query
from pumice.sources.signature import signature

__all__ = [
    "Agent",
    "Message",
    "Middleware",
    "Request",
    "Response",
    "Retry",
    "Turn",
    "body",
    "handler",
    "header",
    "hook",
    "job",
    "query",
    "signature",
    "tool",
]
