"""From an agent class to its frozen spec, with every wrong declaration refused and named."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pumice.agents.agent import Agent
from pumice.agents.class_checks import check_class
from pumice.agents.declare import HandlerMark, HookMark, JobMark, Policy, ToolMark, marks_of
from pumice.agents.handlers import Handler, Hook, checked_policy
from pumice.agents.hook_groups import group_hooks, moved_hook, read_hook
from pumice.agents.job_declarations import read_job
from pumice.agents.jobs import Job
from pumice.agents.middleware import Middleware
from pumice.agents.state_text import tells_all
from pumice.errors import DeclarationError

CHAT_POLICY = Policy(timeout=120)
HOOK_POLICY = Policy(timeout=30)
CALL_POLICY = Policy(timeout=300)
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the language models' vendors take."""


@dataclass(frozen=True)
class AgentSpec:
    """All that the front, the workers and beat know of an agent.

    hooks: by their names. addresses: by the name in their address; of each, those with the most exact events first.
    """

    id: str
    cls: type[Agent]
    hooks: Mapping[str, Hook]
    addresses: Mapping[str, Sequence[Hook]]
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

    def handler(self, kind: str, name: str | None, payload: str = "") -> Handler | None:
        """What runs an interaction of this kind and name; None when the class no longer has it.

        payload: the interaction's, by whose event a hook is found that shares its address with others by now.
        """
        if kind == "chat":
            return self.methods["reply"] if self.can_chat else None
        if kind == "socket":
            return self.methods["receive"]
        if kind == "hook":
            return self.hooks.get(name or "") or moved_hook(self.addresses, name or "", payload)
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
    hooks: list[Hook] = []
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
                methods[attribute] = Handler(attribute, checked_policy(mark.policy, where), base.static, base.is_async)
            elif isinstance(mark, ToolMark):
                _add(tools, _tool(mark, attribute, where), attribute, where, "tool")
            elif isinstance(mark, HookMark):
                _check_signature(function, static=base.static, arguments=1, where=where)
                hooks.append(read_hook(mark, base, where))
            elif isinstance(mark, JobMark):
                _check_signature(function, static=base.static, arguments=0, where=where)
                _add(jobs, mark.name or attribute, read_job(mark, base, cls.State, where), where, "job")
    can_chat = cls.reply is not Agent.reply or cls.model is not None
    if cls.model is not None:
        methods["reply"] = replace(methods["reply"], is_async=True)  # what the default reply returns is asynchronous
    around = tuple(cls.middleware)
    addresses = group_hooks(hooks, cls.__name__)
    named = {hook.name: hook for group in addresses.values() for hook in group}
    return AgentSpec(
        cls.__name__, cls, named, addresses, jobs, methods, tools, can_chat, around, tells_all=tells_all(cls.State)
    )


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


def _tool(mark: ToolMark, attribute: str, where: str) -> str:
    name = attribute if mark.name is None else mark.name
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        raise DeclarationError(where, f"{name!r} is no tool name: up to 64 letters, digits, '_' and '-' only")
    return name


def _check_signature(function: Callable[..., Any], *, static: bool, arguments: int, where: str) -> None:
    try:
        inspect.signature(function).bind(*range(arguments if static else arguments + 1))
    except TypeError:
        wanted = ([] if static else ["self"]) + ["request"] * arguments
        raise DeclarationError(where, f"must take ({', '.join(wanted)})") from None
