"""Calling a handler, and reading what `reply` returned."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

from pumice.agents.boundary import without_stop_iteration
from pumice.agents.context import TurnContext
from pumice.agents.messages import Message

HIDDEN_AWAIT = "a handler that awaits must be declared with async def"


class Invoker:
    """Calls handlers: async ones are awaited; on the loop, sync ones go to a thread so that it is never blocked."""

    def __init__(self, *, on_loop: bool) -> None:
        self._on_loop = on_loop

    async def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the function returns, awaited. Raises `TypeError` when a function that is not async hid an await."""
        if self._on_loop and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            value = await asyncio.to_thread(without_stop_iteration, function, *arguments, **options)
        else:
            value = function(*arguments, **options)
        if not isinstance(value, Awaitable):
            return value
        if not self._on_loop:
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(HIDDEN_AWAIT)
        return await value

    async def reply(self, value: Any, turn: TurnContext) -> Message:
        """Read what `reply` returned, streaming it if it is an iterator. Raises `TypeError` for anything else."""
        if isinstance(value, AsyncIterator):
            if not self._on_loop:
                raise TypeError(HIDDEN_AWAIT)
            async with AsyncExitStack() as stack:
                if isinstance(value, AsyncGenerator):
                    await stack.enter_async_context(aclosing(value))
                async for chunk in value:
                    turn.stream(_text(chunk))
        elif isinstance(value, Iterator):
            if self._on_loop:
                await asyncio.to_thread(without_stop_iteration, _stream, value, turn)
            else:
                _stream(value, turn)
        elif isinstance(value, Message):
            return replace(value, data=turn.reply_data) if value.data is None else value
        else:
            return Message("assistant", _text(value), turn.reply_data)
        turn.end_stream()
        return Message("assistant", "".join(turn.partial), turn.reply_data)


def _stream(chunks: Iterator[Any], turn: TurnContext) -> None:
    for chunk in chunks:
        turn.stream(_text(chunk))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"reply must give text, a Message or an iterator of text, not {type(value).__name__}")
    return value
