"""From an agent class to its frozen spec, with every wrong declaration refused and named."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter

from pumice.agents.agent import Agent
from pumice.agents.class_checks import check_class
from pumice.agents.declare import HandlerMark, HookMark, JobMark, Policy, ToolMark, marks_of
from pumice.agents.middleware import Middleware
from pumice.agents.names import HOOK_NAME
from pumice.agents.selectors import Selector, as_selector
from pumice.agents.state_text import tells_all
from pumice.errors import DeclarationError

CHAT_POLICY = Policy(timeout=120)
HOOK_POLICY = Policy(timeout=30)
CALL_POLICY = Policy(timeout=300)
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the language models' vendors take."""
LONGEST = 86_400 * 30
"""Most seconds that a policy may name."""
MOST_RETRIES = 1_000


@dataclass(frozen=True)
class Handler:
    """A method that turns run: its attribute, whether it is static or async, and its policy."""

    attribute: str
    policy: Policy
    static: bool = False
    is_async: bool = False


@dataclass(frozen=True)
class Hook(Handler):
    """A handler served as a webhook."""

    name: str = ""
    session: Selector = field(default_factory=lambda: as_selector(None))
    methods: tuple[str, ...] = ("GET", "POST")
    accepts: bool = False
    verify: Selector | None = None
    dedupe: Selector | None = None


@dataclass(frozen=True)
class Job(Handler):
    """A handler run by the clock."""

    name: str = ""
    cron: str = ""
    timezone: str = "UTC"
    skip_overlap: bool = False

    @cached_property
    def zone(self) -> ZoneInfo:
        """The timezone that `cron` is read in."""
        return ZoneInfo(self.timezone)


@dataclass(frozen=True)
class AgentSpec:
    """All that the front, the workers and beat know of an agent."""

    id: str
    cls: type[Agent]
    hooks: Mapping[str, Hook]
    jobs: Mapping[str, Job]
    methods: Mapping[str, Handler]
    tools: Mapping[str, str]
    can_chat: bool
    middleware: tuple[Middleware, ...] = ()
    code_version: str = ""
    tells_all: bool = False

    @property
    def chat(self) -> Handler:
        """The handler of chats, `reply`."""
        return self.methods["reply"]

    def handler(self, kind: str, name: str | None) -> Handler | None:
        """What runs an interaction of this kind and name; None when the class no longer has it."""
        if kind == "chat":
            return self.methods["reply"] if self.can_chat else None
        if kind == "socket":
            return self.methods["receive"]
        if kind == "hook":
            return self.hooks.get(name or "")
        if kind == "job":
            return self.jobs.get(name or "")
        return self.methods.get(name or "")

    @property
    def may_need_loop(self) -> bool:
        """Whether any of its turns runs on the event loop."""
        handlers = [*self.hooks.values(), *self.jobs.values(), *self.methods.values()]
        return any(self.needs_loop(handler) for handler in handlers)

    def needs_loop(self, handler: Handler) -> bool:
        """Whether a turn of this handler runs on the event loop."""
        return handler.is_async or self.methods["setup"].is_async or self.methods["on_error"].is_async


def describe(cls: type[Agent]) -> AgentSpec:
    """The spec of an agent class, under its own name as id. Raises `DeclarationError`."""
    if cls.__init__ is not Agent.__init__:
        _check_signature(cls.__init__, static=False, arguments=0, where=f"{cls.__name__}.__init__")
    check_class(cls)
    hooks: dict[str, Hook] = {}
    jobs: dict[str, Job] = {}
    tools: dict[str, str] = {}
    methods: dict[str, Handler] = {}
    for attribute, raw in _attributes(cls):
        function = getattr(raw, "__func__", raw)
        if not inspect.isfunction(function):
            if marks_of(raw):
                raise DeclarationError(f"{cls.__name__}.{attribute}", "only a method can be declared")
            continue
        where = f"{cls.__name__}.{attribute}"
        base = Handler(attribute, _default_policy(attribute), isinstance(raw, staticmethod), _is_async(function))
        methods[attribute] = base
        for mark in marks_of(raw):
            if isinstance(mark, HandlerMark):
                methods[attribute] = Handler(attribute, _checked_policy(mark.policy, where), base.static, base.is_async)
            elif isinstance(mark, ToolMark):
                _add(tools, _tool(mark, attribute, where), attribute, where, "tool")
            elif isinstance(mark, HookMark):
                _check_signature(function, static=base.static, arguments=1, where=where)
                _add(hooks, mark.name, _hook(mark, base, where), where, "hook")
            elif isinstance(mark, JobMark):
                _check_signature(function, static=base.static, arguments=0, where=where)
                _add(jobs, mark.name or attribute, _job(mark, base, where), where, "job")
    can_chat = cls.reply is not Agent.reply or cls.model is not None
    if cls.model is not None:
        methods["reply"] = replace(methods["reply"], is_async=True)  # what the default reply returns is asynchronous
    around = tuple(cls.middleware)
    return AgentSpec(cls.__name__, cls, hooks, jobs, methods, tools, can_chat, around, tells_all=tells_all(cls.State))


def _attributes(cls: type[Agent]) -> list[tuple[str, Any]]:
    names = {name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("__")}
    return [(name, raw) for name, raw in names.items() if not name.startswith("_") or marks_of(raw)]


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _default_policy(attribute: str) -> Policy:
    return CHAT_POLICY if attribute in {"reply", "receive"} else CALL_POLICY


def _add(found: dict[str, Any], name: str, value: Any, where: str, what: str) -> None:
    if name in found:
        raise DeclarationError(where, f"there are two {what}s named {name!r}")
    found[name] = value


def _hook(mark: HookMark, base: Handler, where: str) -> Hook:
    if not isinstance(mark.name, str) or not HOOK_NAME.fullmatch(mark.name):
        raise DeclarationError(where, f"{mark.name!r} is no hook name: letters, digits, '_', '.' and '-' only")
    if not mark.methods or set(mark.methods) - {"GET", "POST"}:
        raise DeclarationError(where, f"a hook's methods are GET and POST, not {', '.join(mark.methods) or 'none'}")
    if mark.respond not in {"result", "accepted"}:
        raise DeclarationError(where, f"respond is 'result' or 'accepted', not {mark.respond!r}")
    if mark.verify is not None and not callable(mark.verify):
        raise DeclarationError(where, f"verify must be callable with the request, not {mark.verify!r}")
    policy = _checked_policy(mark.policy, where)
    try:
        session = as_selector(mark.session)
        dedupe = as_selector(mark.dedupe) if mark.dedupe is not None else None
        verify = as_selector(mark.verify) if mark.verify is not None else None
    except TypeError as error:
        raise DeclarationError(where, str(error)) from None
    accepts = mark.respond == "accepted"
    return Hook(
        base.attribute, policy, base.static, base.is_async, mark.name, session, mark.methods, accepts, verify, dedupe
    )


def _tool(mark: ToolMark, attribute: str, where: str) -> str:
    name = attribute if mark.name is None else mark.name
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise DeclarationError(where, f"{name!r} is no tool name: up to 64 letters, digits, '_' and '-' only")
    return name


def _job(mark: JobMark, base: Handler, where: str) -> Job:
    name = base.attribute if mark.name is None else mark.name
    if not isinstance(name, str) or not HOOK_NAME.fullmatch(name.lstrip("_")):
        raise DeclarationError(where, f"{name!r} is no job name: letters, digits, '_', '.' and '-' only")
    if not isinstance(mark.cron, str) or not croniter.is_valid(mark.cron):
        raise DeclarationError(where, f"{mark.cron!r} is no cron expression")
    try:
        croniter(mark.cron, datetime.now(UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise DeclarationError(where, f"{mark.cron!r} is never due") from None
    try:
        ZoneInfo(mark.timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise DeclarationError(where, f"{mark.timezone!r} is no IANA timezone") from None
    if mark.overlap not in {"queue", "skip"}:
        raise DeclarationError(where, f"overlap is 'queue' or 'skip', not {mark.overlap!r}")
    policy = _checked_policy(mark.policy, where)
    skip = mark.overlap == "skip"
    return Job(base.attribute, policy, base.static, base.is_async, name, mark.cron, mark.timezone, skip)


def _checked_policy(policy: Policy, where: str) -> Policy:
    for name in ("timeout", "backoff", "backoff_limit"):
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
            raise DeclarationError(where, f"{name} must be a number of seconds, 0 to {LONGEST}, not {value!r}")
    if policy.timeout == 0:
        raise DeclarationError(where, "timeout must be more than 0 seconds")
    if (
        isinstance(policy.retries, bool)
        or not isinstance(policy.retries, int)
        or not 0 <= policy.retries <= MOST_RETRIES
    ):
        raise DeclarationError(where, f"retries must be a number from 0 to {MOST_RETRIES}, not {policy.retries!r}")
    kinds: Any = policy.retry_on
    if not isinstance(kinds, tuple) or not all(isinstance(k, type) and issubclass(k, BaseException) for k in kinds):
        raise DeclarationError(where, "retry_on must be a tuple of exception classes")
    return policy


def _check_signature(function: Callable[..., Any], *, static: bool, arguments: int, where: str) -> None:
    try:
        inspect.signature(function).bind(*range(arguments if static else arguments + 1))
    except TypeError:
        wanted = ([] if static else ["self"]) + ["request"] * arguments
        raise DeclarationError(where, f"must take ({', '.join(wanted)})") from None
