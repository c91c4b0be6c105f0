"""States as text, and back: the same, or refused with the name of the field."""

import json
import math
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, SecretStr, computed_field

from pumice import Agent
from pumice.agents.context import History, TurnContext
from pumice.agents.json_text import loads
from pumice.agents.live_session import LiveSession
from pumice.agents.spec import describe
from pumice.agents.state_text import load_state, read_back, read_state, tells_all, with_unknown, write_state
from pumice.errors import SerializationError, StoredStateError


class Color(StrEnum):
    RED = "red"


class Plain(Enum):
    ONE = 1


class Size(IntEnum):
    BIG = 3


class Shape(BaseModel):
    name: str = ""


class Circle(Shape):
    radius: float = 0.0


class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: int = 1


class Disc(BaseModel):
    kind: Literal["disc"] = "disc"
    side: int = 1


class Names(RootModel[dict[str, int]]):
    root: dict[str, int] = {}


@dataclass
class Spot:
    x: int = 0
    tags: list[str] = field(default_factory=list)


class Everything(BaseModel):
    model_config = ConfigDict(validate_assignment=True)

    token: SecretStr = SecretStr("")
    user_name: str = Field("", alias="userName")
    hidden: str = Field("", exclude=True)
    shapes: list[Shape] = []
    score: float | None = None
    ratio: float = 0.0
    anything: dict[str, Any] = {}
    counts: dict[str, int] = {}
    words: dict[str, list[str]] = {}
    when: datetime | None = None
    day: date | None = None
    lasts: timedelta | None = None
    price: Decimal = Decimal(0)
    key: UUID | None = None
    raw: bytes = b""
    where: Path | None = None
    color: Color | None = None
    size: Size | None = None
    tags: set[str] = set()
    pair: tuple[int, str] = (0, "")
    form: Annotated[Square | Disc, Field(discriminator="kind")] = Square()
    names: Names = Names()
    spot: Spot = Field(default_factory=Spot)
    number: int = 0
    text: str = ""
    either: int | str = 0
    _private: int = PrivateAttr(0)

    @computed_field
    def total(self) -> int:
        return len(self.counts)

    @cached_property
    def cached(self) -> int:
        return 7


def saved(state: Everything) -> Everything:
    found: Everything = read_back(state, write_state(state, Everything))
    return found


SAME = {
    "alias": ("user_name", "ada"),
    "list of the base class": ("shapes", [Shape(name="a")]),
    "float": ("score", 0.1),
    "negative zero": ("ratio", -0.0),
    "a huge number": ("number", 10**40),
    "plain values of any type": ("anything", {"a": [1, 2.5, None, True, {"b": "c"}], "10": 10**30}),
    "order of keys": ("counts", {"z": 1, "a": 2}),
    "datetime": ("when", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
    "date": ("day", date(2026, 1, 2)),
    "timedelta": ("lasts", timedelta(days=3, microseconds=7)),
    "decimal": ("price", Decimal("1.10")),
    "uuid": ("key", UUID(int=7)),
    "bytes": ("raw", b"abc"),
    "path": ("where", Path("/a/b")),
    "str enum": ("color", Color.RED),
    "int enum": ("size", Size.BIG),
    "set": ("tags", {"b", "a"}),
    "tuple": ("pair", (3, "x")),
    "discriminated union": ("form", Disc(side=3)),
    "root model": ("names", Names({"b": 1, "a": 2})),
    "dataclass": ("spot", Spot(3, ["x"])),
    "union, number": ("either", 5),
    "union, text": ("either", "5"),
    "half a surrogate's escape in text": ("text", "\\ud800 é \U0001f600"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_can_be_told_comes_back(name):
    attribute, value = SAME[name]
    state = Everything.model_validate({})
    setattr(state, attribute, value)
    assert state.cached == 7
    found = saved(state)
    assert repr(getattr(found, attribute)).replace("TzInfo(0)", "datetime.timezone.utc") == repr(value)


LOST = {
    "secret": (lambda s: setattr(s, "token", SecretStr("sk-1")), "state.token"),
    "excluded": (lambda s: setattr(s, "hidden", "x"), "state.hidden"),
    "subclass in a list": (lambda s: s.shapes.append(Circle(radius=2.5)), "state.shapes[0]"),
    "not a number": (lambda s: setattr(s, "score", math.nan), "state.score"),
    "infinity": (lambda s: setattr(s, "ratio", math.inf), "state.ratio"),
    "datetime in Any": (lambda s: s.anything.update(when=datetime.now(UTC)), "state.anything.when"),
    "set in Any": (lambda s: s.anything.update(deep={"tags": {"a"}}), "state.anything.deep.tags"),
    "tuple in Any": (lambda s: s.anything.update(pair=(1, 2)), "state.anything.pair"),
    "bytes in Any": (lambda s: s.anything.update(raw=b"x"), "state.anything.raw"),
    "decimal in Any": (lambda s: s.anything.update(price=Decimal("1.0")), "state.anything.price"),
    "model in Any": (lambda s: s.anything.update(shape=Shape()), "state.anything.shape"),
    "enum in Any": (lambda s: s.anything.update(color=Color.RED), "state.anything.color"),
    "plain enum in Any": (lambda s: s.anything.update(e=Plain.ONE), "state.anything.e"),
    "a dict that counts": (lambda s: s.anything.update(c=Counter("aab")), "state.anything.c"),
    "a dict with defaults": (lambda s: s.anything.update(d=defaultdict(list)), "state.anything.d"),
    "an ordered dict": (lambda s: s.anything.update(o=OrderedDict(a=1)), "state.anything.o"),
    "a key that is a number": (lambda s: s.anything.update(k={1: "a"}), "state.anything.k"),
    "true for one": (lambda s: s.counts.update(a=True), "state.counts.a"),
    "an enum for its text": (lambda s: s.words.update(a=[Color.RED]), "state.words.a[0]"),
    "private": (lambda s: setattr(s, "_private", 3), "state._private"),
}


@pytest.mark.parametrize("name", LOST)
def test_what_would_be_lost_is_refused(name):
    change, where = LOST[name]
    state = Everything.model_validate({})
    change(state)
    with pytest.raises(SerializationError) as caught:
        saved(state)
    assert caught.value.field.startswith(where)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=20,
)


@given(some.dictionaries(some.text(), JSON, max_size=5))
def test_any_json_comes_back_with_its_order(anything):
    state = Everything.model_validate({"anything": anything})
    if "\\u0000" in json.dumps(anything):  # Postgres can't store it
        return
    assert repr(saved(state).anything) == repr(anything)


class Keeper(Agent):
    class State(Agent.State):
        hidden: str = Field("", exclude=True)
        notes: dict[str, Any] = {}


def turn(live: LiveSession, change: Any) -> str | None:
    agent = live.activate(TurnContext())
    change(agent.state)
    return live.save(agent)


def test_what_would_not_come_back_is_refused():
    live = LiveSession(describe(Keeper), "s", None, History())
    with pytest.raises(SerializationError):
        turn(live, lambda state: state.notes.update(a={1}))


def test_a_change_that_the_text_does_not_show_is_not_lost():
    live = LiveSession(describe(Keeper), "s", None, History())
    turn(live, lambda state: None)
    with pytest.raises(SerializationError) as caught:
        turn(live, lambda state: setattr(state, "hidden", "x"))
    assert caught.value.field == "state.hidden"


def test_a_plain_model_s_text_tells_all():
    class Simple(BaseModel):
        a: int = 0
        b: list[dict[str, Shape]] = []
        c: Color | None = None

    assert tells_all(Simple)
    assert not tells_all(Everything)
    assert not tells_all(Keeper.State)


class Moved(Agent):
    state_version = 3

    class State(Agent.State):
        total: int = 0

    @classmethod
    def migrate_state(cls, state: dict[str, Any], from_version: int) -> dict[str, Any]:
        if from_version < 2:
            state["total"] = sum(state.pop("parts"))
        state["total"] += 100
        return state


def test_an_older_state_is_migrated():
    state, text, unknown = load_state(Moved, '{"parts":[1,2],"old":1}', 1)
    assert (state.total, text, unknown) == (103, '{"old":1,"total":103}', {"old": 1})


def test_a_migrated_state_is_saved_though_its_turn_changes_nothing():
    live = LiveSession(describe(Moved), "s", '{"total":1}', History(), state_version=2)
    assert turn(live, lambda state: None) == '{"total":101}'
    assert turn(live, lambda state: None) is None


@pytest.mark.parametrize(
    ("text", "version", "field", "pause"),
    [
        ('{"total":1}', 4, "state", 1.0),
        ('{"total":"x"}', 3, "state.total", 30.0),
        ("{}", 1, "state", 30.0),
    ],
)
def test_a_state_that_can_t_be_loaded_says_so(text, version, field, pause):
    with pytest.raises(StoredStateError) as caught:
        load_state(Moved, text, version)
    assert (caught.value.field, caught.value.pause) == (field, pause)


def test_a_removed_field_survives():
    live = LiveSession(describe(Moved), "s", '{"total":1,"removed":{"b":1,"a":[12345678901234567890]}}', History())
    assert turn(live, lambda state: None) is None
    stored = turn(live, lambda state: setattr(state, "total", 2))
    assert stored == '{"total":2,"removed":{"b":1,"a":[12345678901234567890]}}'
    assert read_state(Moved.State, stored).total == 2
    assert with_unknown("{}", {"a": 1}) == '{"a":1}'


def test_a_state_with_a_number_beyond_any_float_is_loaded():
    class Counting(Agent):
        class State(Agent.State):
            total: int = 0

    text = write_state(Counting.State(total=10**400 + 7), Counting.State)
    state, _, unknown = load_state(Counting, with_unknown(text, {"old": 10**320}), 1)
    assert (state.total, unknown) == (10**400 + 7, {"old": 10**320})


@pytest.mark.parametrize(
    "text", ['{"n": [%s, }', '{"n": %s, "a": NaN}', '{"n": %s, "a": 1e999}', '{"n": %s, "a": "\\ud800"}']
)
def test_what_is_no_json_is_refused_beside_such_a_number_too(text):
    with pytest.raises(ValueError, match="line 1"):
        loads(text % ("1" * 400))
    assert loads(f'{{"n": {"1" * 400}, "s": "{"2" * 400}"}}') == {"n": int("1" * 400), "s": "2" * 400}
