"""Middleware around a turn: its order, what it sees, and what it can't change."""

import sys
from contextlib import contextmanager
from types import ModuleType

import pytest
import sentry_sdk
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sentry_sdk.transport import Transport

from examples import observability
from pumice import Agent, handler, testing
from pumice.agents.registry import load_agents
from pumice.errors import DeclarationError


def noting(name, notes):
    @contextmanager
    def middleware(turn):
        notes.append((name, "enters", turn.interaction.kind, turn.interaction.attempt))
        try:
            yield
        except BaseException as error:
            notes.append((name, "sees", type(error).__name__))
            raise
        notes.append((name, "leaves"))

    return middleware


@contextmanager
def swallowing(_turn):
    try:
        yield
    except ValueError:
        return


NOTES: list[tuple[object, ...]] = []


class Noted(Agent):
    middleware = [noting("outer", NOTES), noting("inner", NOTES)]

    def setup(self):
        NOTES.append(("setup",))

    def reply(self, messages):
        NOTES.append(("reply",))
        if messages[-1].text == "fail":
            raise ValueError("as asked")
        return "said"


class NotedAsync(Noted):
    async def reply(self, messages):
        NOTES.append(("reply",))
        yield "said"


@pytest.fixture(autouse=True)
def no_notes():
    NOTES.clear()


@pytest.mark.parametrize("agent", [Noted, NotedAsync])
def test_the_first_stands_outside(agent):
    assert testing.session(agent).chat("hello") == "said"
    enters = [("outer", "enters", "chat", 1), ("inner", "enters", "chat", 1)]
    assert [*enters, ("setup",), ("reply",), ("inner", "leaves"), ("outer", "leaves")] == NOTES


def test_what_a_handler_raises_passes_through():
    with pytest.raises(ValueError, match="as asked"):
        testing.session(Noted).chat("fail")
    assert NOTES[-2:] == [("inner", "sees", "ValueError"), ("outer", "sees", "ValueError")]


def test_it_can_not_make_a_failed_turn_a_good_one():

    class Swallowed(Noted):
        middleware = [swallowing]

    with pytest.raises(ValueError, match="as asked"):
        testing.session(Swallowed).chat("fail")


def test_one_that_fails_fails_the_turn():
    @contextmanager
    def broken(_turn):
        raise RuntimeError("no tracer")
        yield

    class Broken(Noted):
        middleware = [broken]

    with pytest.raises(RuntimeError, match="no tracer"):
        testing.session(Broken).chat("hello")
    assert NOTES == []


def test_those_of_all_agents_stand_outside_an_agents_own(monkeypatch):
    module = ModuleType("middleware_of_the_test")
    module.__dict__.update(everywhere=noting("everywhere", NOTES), Noted=Noted)
    monkeypatch.setitem(sys.modules, "middleware_of_the_test", module)
    spec = load_agents("noted=middleware_of_the_test:Noted", "middleware_of_the_test:everywhere")["noted"]
    assert spec.middleware == (module.everywhere, *Noted.middleware)


@pytest.mark.parametrize(
    ("declaration", "what"),
    [
        ("sys", "must look like module:callable"),
        ("no_such_module:one", "no_such_module can't be imported"),
        ("sys:maxsize", "sys has no callable maxsize"),
    ],
)
def test_a_wrong_setting_is_named(declaration, what):
    with pytest.raises(DeclarationError, match=what):
        load_agents("", declaration)


def test_a_wrong_list_is_refused_with_the_class():
    with pytest.raises(DeclarationError, match=r"Wrong\.middleware: must be a list of callables"):
        type("Wrong", (Agent,), {"middleware": ["not callable"]})


class Observed(Agent):
    middleware = [observability.sentry, observability.opentelemetry]

    def reply(self, messages):
        return "said"

    @handler(retries=1)
    def work(self):
        raise KeyError("nothing there")


class Collected(Transport):
    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events.append(envelope.get_event())


@pytest.fixture
def sentry():
    transport = Collected()
    sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=transport, default_integrations=False)
    yield transport
    sentry_sdk.init()


@pytest.fixture(scope="module")
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_sentry_and_opentelemetry_see_turns_and_failures(sentry, spans):
    session = testing.session(Observed, "c1")
    assert session.chat("hello") == "said"
    assert sentry.events == []
    with pytest.raises(KeyError):
        session.call("work")
    event = sentry.events[0]
    assert event["exception"]["values"][0]["type"] == "KeyError"
    assert event["contexts"]["pumice"]["session"] == "c1"
    names = [(span.name.partition(" ")[2], span.status.status_code) for span in spans.get_finished_spans()]
    assert names[0] == ("chat", StatusCode.UNSET)
    assert names[1] == ("work", StatusCode.ERROR)
    assert spans.get_finished_spans()[0].attributes["pumice.session"] == "c1"
