"""The default `reply`: the agent's model, through pydantic-ai, with `instructions`, `@tool` methods and the messages.

pydantic-ai is an optional extra, so this module imports it when a model is first asked.
"""

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pumice.agents.agent import Agent
from pumice.agents.messages import Message
from pumice.agents.recordings import Recorder, as_json, described, recorded_error
from pumice.agents.spec import describe
from pumice.errors import MissingExtraError

if TYPE_CHECKING:
    import pydantic_ai
    from pydantic_ai.models import Model

EXTRAS = ("anthropic", "google", "groq", "openai")
"""The extras that exist, each for the models whose names begin so."""
COUNTS = ("requests", "tool_calls", "input_tokens", "output_tokens")
DETAILED_COUNTS = ("cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens")
BUILDING = threading.Lock()
"""Held while a language model is built, so that each is built once."""

_built: "dict[type[Agent], pydantic_ai.Agent[Agent, str]]" = {}
_models: "dict[type[Agent], Model]" = {}


async def model_reply(agent: Agent, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
    """Complete the conversation, giving the text as the model writes it.

    In a quiet session the model and the tools are not asked: they answer what was recorded; where nothing was, the
    turn notes that.
    The turn takes what the model did: `recording`, `usage` (requests and tokens), both on failure too, and `reply_data`
    (tool calls and returns, for the next turn's history).
    Raises `MissingExtraError`, `InvalidField` for messages that no model can be sent, `RecordingError`, pydantic-ai's
    exceptions (`ModelHTTPError`, …), and whatever a tool raises.
    """
    turn = agent.turn
    if turn.answers is not None and turn.answers.responses is None:
        turn.not_asked.append({"model": str(type(agent).model), "messages": await asyncio.to_thread(len, messages)})
        return
    # In a thread: the first import takes seconds, and other turns run on this loop.
    language_model = await asyncio.to_thread(language_model_of, type(agent))
    model = await asyncio.to_thread(_answering, agent)
    from pydantic_ai import capture_run_messages  # noqa: PLC0415 (an optional extra)
    from pydantic_ai.usage import RunUsage  # noqa: PLC0415

    from pumice.agents import transcript  # noqa: PLC0415

    history = await asyncio.to_thread(transcript.to_model, messages)  # looking at the messages loads them
    usage = RunUsage(**(turn.usage or {}))
    turn.recorder, failed = Recorder(agent), None
    with capture_run_messages() as seen:
        try:
            async with language_model.run_stream_events(
                message_history=history, deps=agent, usage=usage, model=model
            ) as events:
                async for text in _texts(events):
                    yield text
                turn.reply_data = transcript.to_data(events.new_messages())
        except GeneratorExit:  # who reads it has enough
            raise
        except BaseException as error:
            failed = error
            raise
        finally:
            turn.usage = _counts(usage)
            if turn.answers is None:
                with suppress(Exception):  # what can't be recorded must not hide how the turn ended
                    answered = transcript.responses(seen[len(history) :])
                    turn.recording = turn.recorder.document(answered, failed, turn.usage)
            elif turn.answers.has_failed:
                turn.usage = turn.answers.usage


def language_model_of(cls: type[Agent]) -> "pydantic_ai.Agent[Agent, str]":
    """The pydantic-ai agent of an agent class, with its instructions and tools. There is one per process.

    Which model it asks is said with each run: see `model_of`. Raises `MissingExtraError`.
    """
    with BUILDING:
        if cls not in _built:
            _built[cls] = _build(cls)
        return _built[cls]


def model_of(cls: type[Agent]) -> "Model":
    """The model that an agent class names. There is one per process, so that its connections are used again.

    Its connections belong to the event loop that runs it: a process runs all its turns on one.
    Raises `MissingExtraError`, and pydantic-ai's `UserError` for an unknown model or a missing API key.
    """
    with BUILDING:
        if cls not in _models:
            _models[cls] = _infer(cls)
        return _models[cls]


def forget() -> None:
    """Forget the language models built so far; later turns read the environment again."""
    _built.clear()
    _models.clear()


def _answering(agent: Agent) -> "Model":
    """What answers for the model in this turn: what was recorded, or the model itself."""
    answers = agent.turn.answers
    if answers is None:
        return model_of(type(agent))
    from pumice.agents.recorded_model import RecordedModel  # noqa: PLC0415

    return RecordedModel(str(type(agent).model), answers)


def _infer(cls: type[Agent]) -> "Model":
    name = str(cls.model)
    try:
        from pydantic_ai.models import infer_model  # noqa: PLC0415

        return infer_model(name)
    except ImportError as error:
        raise _missing_extra(name) from error


def _missing_extra(name: str) -> MissingExtraError:
    vendor = name.partition(":")[0].partition("-")[0]
    extra = vendor if vendor in EXTRAS else "openai"
    return MissingExtraError(f"the model {name!r} needs an extra: pip install 'pumice[{extra}]'")


def _build(cls: type[Agent]) -> "pydantic_ai.Agent[Agent, str]":
    try:
        from pydantic_ai import Agent as LanguageModelAgent  # noqa: PLC0415
    except ImportError as error:
        raise _missing_extra(str(cls.model)) from error
    return LanguageModelAgent(
        name=cls.__name__,
        deps_type=Agent,
        instructions=inspect.cleandoc(cls.instructions) or None,
        tools=[_tool(cls, name, attribute) for name, attribute in describe(cls).tools.items()],
    )


def _tool(cls: type[Agent], name: str, attribute: str) -> "pydantic_ai.Tool[Agent]":
    """A tool that calls a method on the turn's instance; the method's docstring and annotations describe it.

    An async tool may overlap with others of the same response. Any other runs in a thread and alone, since it may
    change the state.
    """
    from pydantic_ai import ModelRetry, RunContext, Tool  # noqa: PLC0415

    raw = inspect.getattr_static(cls, attribute)
    function: Callable[..., Any] = getattr(raw, "__func__", raw)
    is_async = inspect.iscoroutinefunction(function)

    @functools.wraps(function)
    async def invoke(context: RunContext[Agent], *arguments: Any, **options: Any) -> Any:
        agent, call_id = context.deps, context.tool_call_id or ""
        if agent.turn.answers is not None:
            return _recorded(agent.turn.answers.tool(agent, call_id))
        recorder, method = agent.turn.recorder or Recorder(agent), getattr(agent, attribute)
        try:
            result = await (
                method(*arguments, **options) if is_async else asyncio.to_thread(method, *arguments, **options)
            )
        except ModelRetry as again:
            recorder.ended(call_id, name, retry=again.message)
            raise
        except Exception as error:
            recorder.ended(call_id, name, error=described(error))
            raise
        recorder.ended(call_id, name, result=as_json(result, f"the result of {name}"))
        return result

    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[0 if isinstance(raw, staticmethod) else 1 :]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY)
    invoke.__signature__ = signature.replace(parameters=[context, *parameters])  # type: ignore[attr-defined]
    return Tool(invoke, takes_ctx=True, name=name, sequential=not is_async)


def _recorded(answer: dict[str, Any]) -> Any:
    """What a tool returned, or raises what it raised."""
    from pydantic_ai import ModelRetry  # noqa: PLC0415

    if "retry" in answer:
        raise ModelRetry(answer["retry"])
    if "error" in answer:
        raise recorded_error(answer["error"])
    return answer["result"]


async def _texts(events: AsyncIterable[Any]) -> AsyncIterator[str]:
    """The text in a run's events. What the model says before and after its tool calls is set apart."""
    from pydantic_ai import messages as m  # noqa: PLC0415

    spoke = paused = False
    async for event in events:
        text = ""
        if isinstance(event, m.PartStartEvent) and isinstance(event.part, m.TextPart):
            text = event.part.content
        elif isinstance(event, m.PartDeltaEvent) and isinstance(event.delta, m.TextPartDelta):
            text = event.delta.content_delta
        elif isinstance(event, m.FunctionToolCallEvent):
            paused = spoke
        if text:
            yield f"\n\n{text}" if paused else text
            spoke, paused = True, False


def _counts(usage: Any) -> dict[str, Any]:
    counted = {name: getattr(usage, name) for name in COUNTS}
    return counted | {name: value for name in DETAILED_COUNTS if (value := getattr(usage, name))}
