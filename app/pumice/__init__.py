"""Pumice, a backend for stateful agent sessions: what authors write agents with, and every error that they meet.

A handler that raises a `Problem` is answered with it. Each subclass has a status; so has one of an author's own.
"""

from pumice.agents.agent import Agent, Reply
from pumice.agents.context import History, Interaction
from pumice.agents.declare import Retry, handler, hook, job, tool
from pumice.agents.messages import Message
from pumice.agents.middleware import Middleware, Turn
from pumice.agents.requests import Request, Response
from pumice.agents.selectors import body, header, query
from pumice.errors import (
    Busy,
    Conflict,
    DeclarationError,
    Forbidden,
    InvalidField,
    Malformed,
    MethodNotAllowed,
    MissingExtraError,
    Problem,
    PumiceError,
    ScheduleError,
    SelectorFailed,
    SerializationError,
    SettingsError,
    StoreAwayError,
    TooLarge,
    TooMany,
    TurnOverError,
    Unauthorized,
    UnknownHook,
    UnknownSession,
    UnsupportedMedia,
)
from pumice.sources.signature import signature

__all__ = [
    "Agent",
    "Busy",
    "Conflict",
    "DeclarationError",
    "Forbidden",
    "History",
    "Interaction",
    "InvalidField",
    "Malformed",
    "Message",
    "MethodNotAllowed",
    "Middleware",
    "MissingExtraError",
    "Problem",
    "PumiceError",
    "Reply",
    "Request",
    "Response",
    "Retry",
    "ScheduleError",
    "SelectorFailed",
    "SerializationError",
    "SettingsError",
    "StoreAwayError",
    "TooLarge",
    "TooMany",
    "Turn",
    "TurnOverError",
    "Unauthorized",
    "UnknownHook",
    "UnknownSession",
    "UnsupportedMedia",
    "body",
    "handler",
    "header",
    "hook",
    "job",
    "query",
    "signature",
    "tool",
]
