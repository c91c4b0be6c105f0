"""What an author may declare, and what is refused when the class is made."""

import sys
import types
from typing import Any

import pytest
from pydantic import BaseModel

from pumice import Agent, Retry, body, handler, hook, job, tool
from pumice.agents.registry import load_agents
from pumice.agents.spec import describe
from pumice.errors import DeclarationError


def make(name: str = "Desk", **members: Any) -> type[Agent]:
    return type(name, (Agent,), members)


def taking(name: Any = "x", **options: Any) -> Any:
    return hook(name, **options)(lambda self, request: None)


def working(cron: Any = "* * * * *", **options: Any) -> Any:
    return job(cron, **options)(lambda self: None)


class Unserialisable(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    thing: object = object()


class Required(Agent.State):
    needed: int


WRONG = {
    "redact of an instance": ({"redact": lambda self, document: document}, "Desk.redact", "classmethod"),
    "bad cron": ({"work": working("not a cron")}, "Desk.work", "cron"),
    "cron that is never due": ({"work": working("0 0 31 2 *")}, "Desk.work", "never due"),
    "cron that is no text": ({"work": working(5)}, "Desk.work", "cron"),
    "unknown timezone": ({"work": working("* * * * *", timezone="Mars/Base")}, "Desk.work", "timezone"),
    "empty timezone": ({"work": working("* * * * *", timezone="")}, "Desk.work", "timezone"),
    "timezone outside": ({"work": working("* * * * *", timezone="../UTC")}, "Desk.work", "timezone"),
    "bad job name": ({"work": working("* * * * *", name="a b")}, "Desk.work", "job name"),
    "bad overlap": (
        {"work": working("* * * * *", overlap="drop")},
        "Desk.work",
        "overlap",
    ),
    "job that wants more": ({"work": job("* * * * *")(lambda self, more: None)}, "Desk.work", "(self)"),  # type: ignore[type-var]
    "static job that wants self": (
        {"work": staticmethod(working("* * * * *"))},
        "Desk.work",
        "must take ()",
    ),
    "bad hook name": ({"take": taking("a/b")}, "Desk.take", "hook name"),
    "empty hook name": ({"take": taking("")}, "Desk.take", "hook name"),
    "two hooks of one name": (
        {"one": hook("same")(lambda self, request: 1), "two": hook("same")(lambda self, request: 2)},
        "Desk.two",
        "two hooks named 'same'",
    ),
    "two jobs of one name": (
        {
            "one": working("* * * * *", name="same"),
            "two": working("* * * * *", name="same"),
        },
        "Desk.two",
        "two jobs named 'same'",
    ),
    "two tools of one name": (
        {"one": tool(name="same")(lambda self: 1), "two": tool(name="same")(lambda self: 2)},
        "Desk.two",
        "two tools named 'same'",
    ),
    "bad tool name": ({"use": tool(name="has spaces")(lambda self: 1)}, "Desk.use", "tool name"),
    "unknown method": ({"take": taking("x", methods=("HEAD",))}, "Desk.take", "HEAD"),
    "no methods": ({"take": taking("x", methods=())}, "Desk.take", "none"),
    "bad respond": ({"take": taking("x", respond="later")}, "Desk.take", "respond"),
    "bad selector": ({"take": taking("x", session=5)}, "Desk.take", "selector"),
    "bad dedupe": ({"take": taking("x", dedupe=5)}, "Desk.take", "selector"),
    "verify that verifies nothing": (
        {"take": taking("x", verify="secret")},
        "Desk.take",
        "verify",
    ),
    "hook without a request": ({"take": hook("x")(lambda self: None)}, "Desk.take", "(self, request)"),
    "no time to run": ({"take": taking("x", timeout=0)}, "Desk.take", "timeout"),
    "timeout that is no number": ({"take": taking("x", timeout="30")}, "Desk.take", "timeout"),
    "endless timeout": ({"take": taking("x", timeout=float("inf"))}, "Desk.take", "timeout"),
    "negative retries": ({"take": taking("x", retries=-1)}, "Desk.take", "retries"),
    "negative backoff": ({"take": taking("x", backoff=-1)}, "Desk.take", "backoff"),
    "retry on no exception": ({"take": taking("x", retry_on=ValueError)}, "Desk.take", "retry_on"),
    "policy of a method": ({"work": handler(timeout=-5)(lambda self: None)}, "Desk.work", "timeout"),
    "state that is no model": ({"State": dict}, "Desk.State", "pydantic model"),
    "state without defaults": ({"State": Required}, "Desk.State", "default"),
    "state that is not JSON": ({"State": Unserialisable}, "Desk.State", "JSON"),
    "bad on_busy": ({"on_busy": "drop"}, "Desk.on_busy", "queue"),
    "unknown roles": ({"roles": {"user", "robot"}}, "Desk.roles", "assistant"),
    "no roles": ({"roles": set()}, "Desk.roles", "user"),
    "roles that are no set": ({"roles": "user"}, "Desk.roles", "set"),
    "negative history": ({"history": -1}, "Desk.history", "messages"),
    "model without a vendor": ({"model": "gpt"}, "Desk.model", "openai:"),
    "init with parameters": ({"__init__": lambda self, needed: None}, "Desk.__init__", "(self)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_declarations_fail_with_the_class_and_say_where(case):
    members, where, what = WRONG[case]
    with pytest.raises(DeclarationError) as caught:
        make(**members)
    assert caught.value.where == where
    assert what in caught.value.what


def test_only_a_method_can_be_declared():
    with pytest.raises(TypeError, match="only a method"):
        hook("x")(5)  # type: ignore[type-var]


def test_a_declared_attribute_that_is_no_function_is_refused():
    class Callable:
        def __call__(self, request):
            return None

    with pytest.raises(DeclarationError, match=r"Desk\.take"):
        make(take=hook("x")(Callable()))


def test_both_decorator_orders_of_static_handlers():
    class Desk(Agent):
        @staticmethod
        @hook("inner")
        def inner(request):
            return "inner"

        @hook("outer")
        @staticmethod
        def outer(request):
            return "outer"

        @staticmethod
        @job("0 0 * * *")
        def nightly():
            return "nightly"

        @job("0 1 * * *")
        @staticmethod
        def hourly():
            return "hourly"

    spec = describe(Desk)
    assert all(one.static for one in [*spec.hooks.values(), *spec.jobs.values()])
    assert (Desk.inner(None), Desk.outer(None), Desk.nightly(), Desk.hourly()) == (
        "inner",
        "outer",
        "nightly",
        "hourly",
    )


def test_handlers_stay_callable_as_they_were_written():
    class Desk(Agent):
        class State(Agent.State):
            seen: int = 0

        @hook("count", session=body("id"))
        def count(self, by):
            self.state.seen += by
            return self.state.seen

    desk = Desk()
    assert [desk.count(2), desk.count(3)] == [2, 5]
    assert Desk.count.__name__ == "count"


def test_a_spec_says_what_was_declared():
    class Desk(Agent):
        @hook("update", session=body("a.b"), methods=("post",), respond="accepted", timeout=5, retries=2)
        async def update(self, request): ...

        @job("0 9 * * *", timezone="America/New_York", overlap="skip", blocking=True)
        def remind(self): ...

        @handler(timeout=7)
        def later(self): ...

        @tool
        def look(self): ...

        @hook("one")
        @hook("two")
        def both(self, request): ...

    spec = describe(Desk)
    update, remind = spec.hooks["update"], spec.jobs["remind"]
    assert (update.methods, update.accepts, update.is_async, update.policy.timeout) == (("POST",), True, True, 5)
    assert update.session.name == "body('a.b')"
    assert (remind.schedule.text, str(remind.zone), remind.overlap, remind.policy.blocking) == (
        "0 9 * * *",
        "America/New_York",
        "skip",
        True,
    )
    assert spec.methods["later"].policy.timeout == 7
    assert spec.tools == {"look": "look"}
    assert spec.hooks["one"].attribute == spec.hooks["two"].attribute == "both"
    assert not spec.can_chat


def test_time_limits_by_default():
    class Desk(Agent):
        def reply(self, messages): ...
        @hook("x")
        def take(self, request): ...
        @job("* * * * *")
        def work(self): ...

    spec = describe(Desk)
    limits = [spec.chat.policy.timeout, spec.hooks["x"].policy.timeout, spec.jobs["work"].policy.timeout]
    assert limits == [120, 30, 300]


def test_a_subclass_inherits_and_overrides_handlers():
    class Desk(Agent):
        @hook("x")
        def take(self, request):
            return 1

        @hook("y")
        def other(self, request):
            return 1

    class Quiet(Desk):
        def take(self, request):
            return 2

    assert set(describe(Quiet).hooks) == {"y"}
    assert set(describe(Desk).hooks) == {"x", "y"}


def test_a_model_gives_a_reply_that_runs_on_the_loop():
    spec = describe(make(model="openai:some-model"))
    assert spec.can_chat
    assert spec.needs_loop(spec.chat)


def test_a_sync_reply_beside_a_model_runs_on_the_loop_too():
    class Desk(Agent):
        model = "openai:some-model"

        def reply(self, messages):
            return super().reply(messages)

    assert describe(Desk).chat.is_async


def test_retry_wants_a_number_of_seconds():
    with pytest.raises(ValueError, match="seconds"):
        Retry(after=float("nan"))


@pytest.fixture
def module():
    made = types.ModuleType("agents_of_the_test")
    made.Desk = make()  # type: ignore[attr-defined]
    made.other = 5  # type: ignore[attr-defined]
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def test_agents_are_loaded_by_id(module):
    registry = load_agents("desk=agents_of_the_test:Desk, other.desk=agents_of_the_test:Desk,")
    assert {key: (spec.id, spec.cls) for key, spec in registry.items()} == {
        "desk": ("desk", module.Desk),
        "other.desk": ("other.desk", module.Desk),
    }


@pytest.mark.parametrize(
    ("declaration", "what"),
    [
        ("desk", "id=module:Class"),
        ("=agents_of_the_test:Desk", "id=module:Class"),
        ("a b=agents_of_the_test:Desk", "id=module:Class"),
        ("desk=agents_of_the_test", "id=module:Class"),
        ("desk=agents_of_the_test:Nothing", "no agent class Nothing"),
        ("desk=agents_of_the_test:other", "no agent class other"),
        ("desk=no_such_module:Desk", "can't be imported: ModuleNotFoundError"),
        ("desk=agents_of_the_test:Desk,desk=agents_of_the_test:Desk", "twice"),
    ],
)
def test_wrong_agents_are_named(module, declaration, what):
    with pytest.raises(DeclarationError, match=what):
        load_agents(declaration)
