"""Failed attempts: what is kept of them, and whether they run again."""

import random
import re
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pumice.agents.declare import Policy, Retry
from pumice.agents.states import FailureCode
from pumice.errors import Problem, SerializationError, StoreAwayError, StoredStateError

T = TypeVar("T")
MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 20_000
STORE_PAUSE = 1.0
"""Seconds before a turn that could not read from Postgres runs again; its session waits, so that the order stays."""
FRAME = re.compile(r'^ +File "([^"]+)", line (\d+)', re.MULTILINE)
"""A frame in a traceback."""
ELSEWHERE = ("site-packages", sysconfig.get_path("stdlib"), str(Path(__file__).parents[1]))
"""What the paths of code that is not the author's hold."""
ASKED_RETRIES = 3
"""How often a handler that raises `Retry` runs again when its declaration says nothing."""


@dataclass(slots=True)
class Failure:
    """A failed attempt. `status` is what becomes of the interaction: `retry` (after `retry_after` s), `failed`, `dead`.

    `problem` is the document to answer with when the handler raised one of our problems itself. `waits`: nothing was
    tried, since the work has to wait for other code; it is no attempt.
    """

    status: str
    type: str
    message: str
    traceback: str
    attempt: int = 1
    code: FailureCode = FailureCode.HANDLER
    retry_after: float = 0.0
    blocking: bool = False
    problem: dict[str, Any] | None = None
    waits: bool = False

    def add_note(self, note: str) -> None:
        """Append to the message."""
        self.message = _clean(f"{self.message}\n{note}", MESSAGE_LIMIT)

    @property
    def where(self) -> str:
        """Where it failed, as `file:line`."""
        return author_place(self.traceback)

    @property
    def own_traceback(self) -> str:
        """The traceback without the frames of Pumice and of libraries, unless there are no others."""
        head, *frames = re.split(r"^(?=  File )", self.traceback, flags=re.MULTILINE)
        own = [frame for frame in frames if not any(place in frame.splitlines()[0] for place in ELSEWHERE)]
        if not own:
            return self.traceback
        end = re.split(r"^(?=\S)", frames[-1], maxsplit=1, flags=re.MULTILINE)
        told = own if own[-1] is frames[-1] else [*own, *end[1:]]
        return "".join([head, *told]).rstrip()

    def encode(self) -> dict[str, Any]:
        """The failure as it is stored."""
        document = {
            "attempt": self.attempt,
            "code": self.code,
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
        }
        return document if self.problem is None else document | {"problem": self.problem}


def author_place(text: str) -> str:
    """The innermost frame of the author's code in a traceback, or of all when there is none, as `file:line`."""
    frames = FRAME.findall(text)
    own = [frame for frame in frames if not any(place in frame[0] for place in ELSEWHERE)]
    return ":".join((own or frames or [("?", "?")])[-1])


def failure_of(
    error: BaseException,
    policy: Policy | None = None,
    attempt: int = 1,
    *,
    timed_out: bool = False,
    crashes: int = 0,
) -> Failure:
    """Judge a failed attempt under its policy. Raises nothing, whatever the error does when it is looked at.

    crashes: how many of the attempts before it were no fault of the handler's.
    """
    cls = type(error)
    kind = "timeout" if timed_out else cls.__name__
    late = f"the turn took longer than its limit of {policy.timeout:g} s" if timed_out and policy else None
    message = late or _told(lambda: str(error), f"<{kind}: its text can't be read>")
    text = _told(lambda: "".join(traceback.format_exception(error)), _bare_traceback(error))
    status, after = _judge(error, policy, attempt - crashes)
    problem = _told(error.document, None) if issubclass(cls, Problem) and isinstance(error, Problem) else None
    blocking = issubclass(cls, StoreAwayError | StoredStateError) or (policy is not None and policy.blocking)
    message, text = _clean(message, MESSAGE_LIMIT), _clean(text, TRACEBACK_LIMIT)
    code, waits = _code(cls, timed_out=timed_out), issubclass(cls, StoredStateError)
    return Failure(status, kind, message, text, attempt, code, after, blocking, problem, waits)


def _told(tell: Callable[[], T], otherwise: T) -> T:
    """What an author's exception says of itself, or something else when its own code raises."""
    try:
        return tell()
    except BaseException:
        return otherwise


def _bare_traceback(error: BaseException) -> str:
    """Where an error was raised, and its type, without asking it for its text."""
    frames = "".join(traceback.format_tb(BaseException.__getattribute__(error, "__traceback__")))
    return f"Traceback (most recent call last):\n{frames}{type(error).__name__}"


def backoff(policy: Policy, attempt: int) -> float:
    """Seconds before the next attempt: exponential, with jitter of up to half, to spread what failed together."""
    full = min(policy.backoff * 2.0 ** min(attempt - 1, 64), policy.backoff_limit)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 (jitter, not a secret)


def _code(cls: type[BaseException], *, timed_out: bool) -> FailureCode:
    if timed_out:
        return FailureCode.TIMEOUT
    if issubclass(cls, StoredStateError):
        return FailureCode.STATE
    return FailureCode.SERIALIZATION if issubclass(cls, SerializationError) else FailureCode.HANDLER


def _judge(error: BaseException, policy: Policy | None, attempt: int) -> tuple[str, float]:
    cls = type(error)  # an error's own `__class__` may be anything
    if issubclass(cls, StoreAwayError):  # no fault of the handler's
        return "retry", STORE_PAUSE
    if issubclass(cls, StoredStateError):
        return "retry", _told(lambda: float(getattr(error, "pause", STORE_PAUSE)), STORE_PAUSE)
    if policy is None:
        return "failed", 0.0
    if issubclass(cls, Retry):
        after = max(_told(lambda: float(getattr(error, "after", 0.0)), 0.0), 0.0)
        return ("retry", after) if attempt <= (policy.retries or ASKED_RETRIES) else ("dead", 0.0)
    if policy.retries and issubclass(cls, policy.retry_on):
        return ("retry", backoff(policy, attempt)) if attempt <= policy.retries else ("dead", 0.0)
    return "failed", 0.0


def _clean(text: str, limit: int) -> str:
    return str.__getitem__(text, slice(limit)).replace("\x00", "\ufffd").encode(errors="replace").decode()
