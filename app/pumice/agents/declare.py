"""The decorators `hook`, `job` and `tool`. They leave a mark on the function and hand it back as it was written."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, overload

from pumice.agents.requests import Request
from pumice.agents.selectors import Selector, SelectorLike
from pumice.agents.sources import Source

F = TypeVar("F", bound=Callable[..., Any])
HookMethod = TypeVar("HookMethod", bound=Callable[[Any, Request], Any] | Callable[[Request], Any])
"""A method that takes a request, or a static one."""
JobMethod = TypeVar("JobMethod", bound=Callable[[Any], Any] | Callable[[], Any])
"""A method that takes nothing, or a static one."""
MARKS = "__pumice_marks__"
JOB_TIMEOUT = 300.0
"""Seconds that a job's turn may take unless it says otherwise."""


class Retry(Exception):  # noqa: N818 (an instruction, not a fault)
    """Raise it in a handler to have this interaction run again, `after` so many seconds.

    It counts as an attempt: past the declaration's `retries` (3 when it says nothing) it is dead.
    Raises `ValueError` when `after` is not a finite number of seconds.
    """

    def __init__(self, after: float = 1.0, reason: str = "the handler asked for a retry") -> None:
        super().__init__(reason)
        if not math.isfinite(after):
            raise ValueError(f"Retry: {after!r} is no number of seconds")
        self.after = float(after)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a handler's turns are limited and retried.

    timeout: seconds a turn may take. retries: how often a failed turn runs again. backoff: seconds before the first
    of them, doubled each time, with jitter. backoff_limit: the most of it. retry_on: which exceptions are retried.
    blocking: whether later interactions of the session wait while this one waits for its retry.
    """

    timeout: float
    retries: int = 0
    backoff: float = 1.0
    backoff_limit: float = 600.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    blocking: bool = False


@dataclass(frozen=True, slots=True)
class HookMark:
    """What `@hook` was given."""

    name: str
    session: SelectorLike | Selector
    methods: tuple[str, ...]
    respond: str
    accepted_status: int | None
    source: Source | None
    events: tuple[str, ...]
    order: str
    verify: Callable[[Request], Any] | None
    dedupe: SelectorLike | Selector
    policy: Policy


@dataclass(frozen=True, slots=True)
class JobMark:
    """What `@job` was given. has_two_limits: both a `timeout` and its other name, `time_limit`."""

    cron: str | None
    every: timedelta | float | None
    anchor: str
    name: str | None
    timezone: str
    overlap: str
    catch_up: str
    catch_up_window: float | None
    jitter: float
    where: Mapping[str, Any] | None
    temporary: bool
    policy: Policy
    has_two_limits: bool


@dataclass(frozen=True, slots=True)
class HandlerMark:
    """What `@handler` was given: a policy for `reply`, `receive` or a method that is called or scheduled."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class ToolMark:
    """What `@tool` was given."""

    name: str | None


def hook(  # noqa: PLR0913 (all but the name are options)
    name: str,
    *,
    session: SelectorLike | Selector = None,
    source: Source | None = None,
    events: Sequence[str] = (),
    order: Literal["accepted", "event"] = "accepted",
    methods: tuple[str, ...] = ("GET", "POST"),
    respond: Literal["result", "accepted"] = "result",
    accepted_status: int | None = None,
    verify: Callable[[Request], Any] | None = None,
    dedupe: SelectorLike | Selector = None,
    timeout: float = 30,
    retries: int = 0,
    backoff: float = 1.0,
    backoff_limit: float = 600.0,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    blocking: bool = False,
) -> Callable[[HookMethod], HookMethod]:
    """Serve a method at `/v1/agents/<agent>/hooks/<name>`.

    session: selects the session id from the request; None makes a temporary session.
    source: who sends, from `pumice.sources`: its signature is verified, its handshakes are answered, its deliveries are
    told apart by its own ids. events: patterns of the event types that the method takes, as `invoice.*`; others are
    answered 200. Several methods may have the same name, if they have the same source and different events.
    order: "event" marks a request as `stale` when a newer event, by its own time, came to the session before it.
    respond: "result" answers with the handler's return value, "accepted" at once, with `accepted_status`: 202 unless
    it or the source says otherwise.
    verify: called with the request; a false result or an exception is answered with 401.
    dedupe: selects the delivery id (None: the source's, or the well-known delivery-id headers).
    The rest is the `Policy`.
    """
    policy = Policy(timeout, retries, backoff, backoff_limit, retry_on, blocking)
    patterns = (events,) if isinstance(events, str) else tuple(events)
    verbs = tuple(one.upper() for one in methods)
    return _marker(
        HookMark(name, session, verbs, respond, accepted_status, source, patterns, order, verify, dedupe, policy)
    )


def job(  # noqa: PLR0913 (all but the schedule are options)
    cron: str | None = None,
    *,
    every: timedelta | float | None = None,
    anchor: Literal["epoch", "created"] = "epoch",
    name: str | None = None,
    timezone: str = "UTC",
    overlap: Literal["skip", "queue", "cancel"] = "skip",
    catch_up: Literal["one", "all", "none"] = "one",
    catch_up_window: float | None = None,
    jitter: float = 0,
    where: Mapping[str, Any] | None = None,
    temporary: bool = False,
    timeout: float | None = None,
    time_limit: float | None = None,
    retries: int = 0,
    backoff: float = 1.0,
    backoff_limit: float = 600.0,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    blocking: bool = False,
) -> Callable[[JobMethod], JobMethod]:
    """Run a method by the clock: once per session, or once if it is static.

    cron: when it is due, in `timezone`: an IANA name, or "session" for each session's own. every: or an interval, in
    seconds, counted from the epoch or, with `anchor="created"`, from each session's creation.
    overlap: what becomes of a run that is due while this session's previous one is not finished: "skip" it, "queue" it,
    or "cancel" the previous one. catch_up: which due times that were missed run later, if no more than
    `catch_up_window` seconds (the setting JOB_CATCH_UP) passed: the newest "one", "all" or "none".
    jitter: seconds over which the sessions' runs are spread, always later than due; each session keeps its place.
    where: a condition on the state or metadata, such as `{"state.plan": "pro"}`. temporary: run on temporary sessions
    too. time_limit: another name of `timeout`, which is 300 seconds unless given. The rest is the `Policy`.
    """
    limit = next((one for one in (timeout, time_limit) if one is not None), JOB_TIMEOUT)
    policy = Policy(limit, retries, backoff, backoff_limit, retry_on, blocking)
    return _marker(
        JobMark(
            cron=cron,
            every=every,
            anchor=anchor,
            name=name,
            timezone=timezone,
            overlap=overlap,
            catch_up=catch_up,
            catch_up_window=catch_up_window,
            jitter=jitter,
            where=where,
            temporary=temporary,
            policy=policy,
            has_two_limits=timeout is not None and time_limit is not None,
        )
    )


def handler(
    *,
    timeout: float = 120,
    retries: int = 0,
    backoff: float = 1.0,
    backoff_limit: float = 600.0,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    blocking: bool = False,
) -> Callable[[F], F]:
    """Give `reply`, `receive` or a method that is called or scheduled a `Policy` of its own."""
    return _marker(HandlerMark(Policy(timeout, retries, backoff, backoff_limit, retry_on, blocking)))


@overload
def tool(function: F) -> F: ...
@overload
def tool(*, name: str | None = None) -> Callable[[F], F]: ...
def tool(function: F | None = None, *, name: str | None = None) -> F | Callable[[F], F]:
    """Offer a method to the model. Its docstring and annotations describe it. Use it bare or with a name."""
    mark: Callable[[F], F] = _marker(ToolMark(name))
    return mark if function is None else mark(function)


def marks_of(attribute: Any) -> list[Any]:
    """The marks that decorators left on a class's attribute."""
    found: list[Any] = getattr(getattr(attribute, "__func__", attribute), MARKS, [])
    return found


def _marker(mark: Any) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        target: Any = getattr(function, "__func__", function)
        if not callable(target):
            raise TypeError(f"only a method can be declared, not {function!r}")
        setattr(target, MARKS, [*getattr(target, MARKS, []), mark])
        return function

    return decorate
