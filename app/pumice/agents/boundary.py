"""Where authors' code ends: what leaves it is the failure of its own turn, and of nothing else.

Authors' code raises anything: `sys.exit`, a leaked `asyncio.CancelledError`, a Rust panic. Only what Pumice itself put
in is no failure: an interruption, and the cancellation of the task that runs the turn.
"""

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from pumice.logs import get_logger

log = get_logger("pumice.turns")

AWAITED = 0.1
"""Seconds that a turn has to hear itself of the `SystemExit` of a task that it awaits."""


class Interrupted(BaseException):
    """A chat was interrupted for a newer one; not an `Exception`, so that no handler catches it."""


class TurnScope:
    """One async turn and the tasks that its handlers spawn. `failure` is what one of those ended the loop with."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._turn: asyncio.Task[Any] | None = None
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def run(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start the turn as a task, in a context that no other turn sees."""
        context = contextvars.Context()
        context.run(_scope.set, self)
        self._turn = loop.create_task(self._contained(coroutine), context=context)
        return self._turn

    async def _contained(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await the turn. A `GeneratorExit` that it awaits closes what is inside of it, and is seen here alone."""
        try:
            return await coroutine
        except GeneratorExit as error:
            self.failure = error
            raise asyncio.CancelledError from error

    def add(self, task: "asyncio.Task[Any]") -> None:
        """Note a task that the turn's handlers spawned."""
        self._tasks.add(task)

    def has(self, task: object) -> bool:
        """Whether the turn's handlers spawned this task."""
        return task in self._tasks

    def blame(self, error: BaseException, loop: asyncio.AbstractEventLoop) -> bool:
        """End the turn if one of its tasks raised this. Returns whether one did.

        Whoever awaits that task gets the error first.
        """
        if not any(task.done() and not task.cancelled() and task.exception() is error for task in self._tasks):
            return False
        loop.call_later(AWAITED, self._fail, error)
        return True

    def _fail(self, error: BaseException) -> None:
        if self._turn is not None and not self._turn.done():
            self.failure = error
            self._turn.cancel()


_scope: contextvars.ContextVar[TurnScope | None] = contextvars.ContextVar("pumice_turn", default=None)
_scopes: weakref.WeakSet[TurnScope] = weakref.WeakSet()


def is_own_doing(error: BaseException) -> bool:
    """Whether this left a turn because Pumice interrupted it, or cancelled its task; else it is a failure."""
    cls = type(error)
    if issubclass(cls, Interrupted):
        return True
    return issubclass(cls, asyncio.CancelledError) and _is_being_cancelled()


def run_forever(loop: asyncio.AbstractEventLoop) -> None:
    """Run an event loop until it is stopped, whatever is raised in it.

    asyncio lets `SystemExit` and `KeyboardInterrupt` out of a task end the loop, and with it every other turn. Here
    they fail the turn whose task it was, and the loop goes on.
    """
    loop.set_task_factory(_make_task)
    while True:
        try:
            loop.run_forever()
        except BaseException as error:
            blamed = [scope for scope in list(_scopes) if scope.blame(error, loop)]
            log.exception("loop_interrupted", turns=len(blamed))
        else:
            return


def call_in_fresh_context(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a context of its own: what it sets there, nobody else sees."""
    return contextvars.Context().run(function, *arguments)


def without_stop_iteration(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function that is awaited. No future carries `StopIteration`: whoever awaits it would wait for ever."""
    try:
        return function(*arguments, **options)
    except StopIteration as error:
        raise RuntimeError("the handler raised StopIteration") from error


def _make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    scope = _scope.get()
    if scope is not None:
        scope.add(task)
        _scopes.add(scope)
    return task


def _is_being_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0
