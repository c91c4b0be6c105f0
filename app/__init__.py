"""Pumice, a backend for stateful agent sessions: what an author needs to write an agent."""

from app.agents.agent import Agent
from app.agents.declare import Retry, handler, hook, job, tool
from app.agents.messages import Message
from app.agents.requests import Request, Response
from app.agents.selectors import body, header, query
from app.agents.verify import signature

__all__ = [
    "Agent",
    "Message",
    "Request",
    "Response",
    "Retry",
    "body",
    "handler",
    "header",
    "hook",
    "job",
    "query",
    "signature",
    "tool",
]
