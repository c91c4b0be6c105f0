"""Middleware: what authors and operators put around every turn, such as tracing or the reporting of errors.

    @contextmanager
    def timed(turn):
        started = time.perf_counter()
        try:
            yield
        finally:
            print(turn.agent_id, turn.interaction.kind, time.perf_counter() - started)

A middleware is a callable that takes the `Turn` and returns a context manager. It is entered on the thread or in the
task that runs the turn, before `setup` and the handler, and is left when the handler has ended; a handler's exception
passes through it. `Agent.middleware` lists an agent's own; the setting MIDDLEWARE names some for all agents, which
stand outside of those.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from pumice.agents.context import Interaction
from pumice.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn that a middleware stands around: one attempt at one interaction of a session."""

    agent_id: str
    session_id: str
    interaction: Interaction


Middleware: TypeAlias = Callable[[Turn], AbstractContextManager[Any]]
"""Takes a turn and returns the context in which it runs."""


@contextmanager
def within(middleware: Sequence[Middleware], turn: Turn) -> Iterator[None]:
    """Enter these in order, and leave them in reverse.

    A handler's exception goes on after them, also when one of them would have swallowed it: it decides what becomes of
    the interaction.
    """
    failed: BaseException | None = None
    with ExitStack() as stack:
        for one in middleware:
            stack.enter_context(one(turn))
        try:
            yield
        except BaseException as error:
            failed = error
            raise
    if failed is not None:
        raise failed


def load_middleware(declaration: str) -> tuple[Middleware, ...]:
    """Load `module:callable,…`. Raises `DeclarationError`, which names the entry and what is wrong with it."""
    return tuple(_load(entry) for entry in filter(None, (part.strip() for part in declaration.split(","))))


def _load(entry: str) -> Middleware:
    where = f"MIDDLEWARE {entry!r}"
    module_name, _, name = entry.partition(":")
    if not module_name or not name:
        raise DeclarationError(where, "must look like module:callable")
    try:
        found: Any = getattr(import_module(module_name), name, None)
    except Exception as error:
        raise DeclarationError(where, f"{module_name} can't be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise DeclarationError(where, f"{module_name} has no callable {name}")
    middleware: Middleware = found
    return middleware
