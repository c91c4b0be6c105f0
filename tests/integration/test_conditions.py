"""Conditions on sessions: checked against the State, run in SQL, the same as in a model."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pydantic import BaseModel, Field

from pumice import Agent
from pumice.agents.conditions import Condition, read_condition
from pumice.errors import InvalidField
from pumice.sessions.conditions import COMPARED
from pumice.sessions.engine import make_engine
from pumice.sessions.queries import count_sessions, list_sessions
from pumice.settings import Settings
from tests.support.client import new_session
from tests.support.commands import Commands
from tests.support.protocol import AGENT


class Address(BaseModel):
    city: str = ""
    number: int | None = None


class Desk(Agent):
    class State(Agent.State):
        plan: str = Field("", alias="thePlan")
        total: int = 0
        ratio: float = 0.0
        price: Decimal = Decimal(0)
        due: datetime | str = ""
        paid: bool = False
        since: datetime | None = None
        home: Address = Address()
        homes: list[Address] = []
        counts: dict[str, int] = {}
        anything: dict[str, Any] = {}


STATES: list[dict[str, Any]] = [
    {"plan": "pro", "total": 3, "home": {"city": "Köln"}, "anything": {"a": [1, {"b": None}]}},
    {"plan": "free", "total": 9007199254740993, "paid": True, "counts": {"a": 1}, "since": "2026-01-02T03:04:05Z"},
    {"plan": "pro", "total": -1, "ratio": 0.5, "homes": [{"city": "x"}, {"city": "y", "number": 7}]},
    {},
]
TIMES = {
    "2026-01-02T03:04:05Z": True,
    "2026-01-02T03:04:05.123456+05:30": True,
    "2026-01-02 03:04:05-0800": True,
    "2026-01-02T03:04": True,
    "2026-01-02": True,
    "2024-02-29T00:00:00Z": True,
    "2000-02-29": True,
    "9999-12-31T23:59:59.999999Z": True,
    "2026-02-29T00:00:00Z": False,
    "1900-02-29": False,
    "2026-02-31T00:00:00Z": False,
    "2026-04-31": False,
    "2026-13-01": False,
    "0000-01-01": False,
    "2026-01-02T24:01:00Z": False,
    "2026-01-02T03:04:05+23:59": False,
    "tomorrow": False,
    "": False,
    "now": False,
    "infinity": False,
    "2026-01-02T03:04:05Z or so": False,
    "\n2026-01-02": False,
}
"""Texts, and whether they are compared as times."""


@pytest.fixture
def found(protocol, protocol_database):
    """The numbers of the states for which a condition holds."""
    engine = make_engine(Settings.from_env({"DATABASE_URL": protocol_database}))
    for number, state in enumerate(STATES):
        text, metadata = json.dumps(state), json.dumps({"region": "eu"} if number % 2 else {"n": number})
        protocol.query(
            "insert into sessions (agent_id, id, state, metadata) values (%s, %s, %s, %s)",
            AGENT,
            str(number),
            text,
            metadata,
        )

    def look(condition: dict[str, Any] | Condition) -> list[int]:
        where = condition if isinstance(condition, Condition) else read_condition(Desk.State, condition)
        rows = list_sessions(engine, AGENT, after="", limit=100, where=where)
        assert count_sessions(engine, AGENT, where) == len(rows)
        return [int(row.id) for row in rows]

    yield look
    engine.dispose()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"state.plan": "pro"}, [0, 2]),
        ({"state.thePlan": "pro"}, [0, 2]),
        ({"state.plan": {"ne": "pro"}}, [1, 3]),
        ({"state.plan": {"in": ["pro", "free"]}}, [0, 1, 2]),
        ({"state.plan": {"gt": "free"}}, [0, 2]),
        ({"state.plan": "pro", "state.total": {"gt": 0}}, [0]),
        ({"state.total": 9007199254740993}, [1]),
        ({"state.total": {"gt": 9007199254740992}}, [1]),
        ({"state.total": {"gte": -1, "lt": 3}}, [2]),
        ({"state.ratio": {"lte": 0.5}}, [2]),
        ({"state.paid": True}, [1]),
        ({"state.paid": {"ne": True}}, [0, 2, 3]),
        ({"state.home.city": "Köln"}, [0]),
        ({"state.homes.1.number": 7}, [2]),
        ({"state.homes": [{"city": "x", "number": None}]}, []),
        ({"state.counts.a": 1}, [1]),
        ({"state.counts": {"eq": {"a": 1}}}, [1]),
        ({"state.anything.a.1": {"b": None}}, [0]),
        ({"state.anything.a.1.b": None}, [0, 1, 2, 3]),
        ({"state.since": {"gt": "2026-01-02T04:00:00+01:00"}}, [1]),
        ({"state.since": {"exists": False}}, [0, 2, 3]),
        ({"state.plan": {"exists": True}}, [0, 1, 2]),
        ({"metadata.region": "eu"}, [1, 3]),
        ({"metadata.region": {"in": ["us", "eu"]}}, [1, 3]),
        ({"metadata.n": {"gt": 1}}, [2]),
        ({"metadata.region": {"gt": 1}}, []),
        ({"id": {"gte": "2"}}, [2, 3]),
        ({"createdAt": {"gt": (datetime.now(UTC) - timedelta(days=1)).isoformat()}}, [0, 1, 2, 3]),
        ({"createdAt": {"lt": "2020-01-01T00:00:00Z"}}, []),
        ({"messageCount": 0, "quiet": False, "parent": None}, [0, 1, 2, 3]),
        ({"size": {"gt": 60}}, [0, 1, 2]),
        ({"metadata.x' or 1=1 --": "'; drop table sessions; --"}, []),
    ],
)
def test_what_is_found(found, condition, expected):
    assert found(condition) == expected


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ([], "where"),
        ({"state.plna": "x"}, "where.state.plna"),
        ({"state.home.town": "x"}, "where.state.home.town"),
        ({"state.homes.first": "x"}, "where.state.homes.first"),
        ({"state.plan.more": "x"}, "where.state.plan.more"),
        ({"state": 1}, "where.state"),
        ({"plan": "x"}, "where.plan"),
        ({"state.total": "many"}, "where.state.total"),
        ({"state.plan": 3}, "where.state.plan"),
        ({"state.plan": {"like": "x"}}, "where.state.plan"),
        ({"state.plan": {"in": []}}, "where.state.plan"),
        ({"state.plan": {"exists": 1}}, "where.state.plan"),
        ({"state.total": {"gt": [1]}}, "where.state.total"),
        ({"state.since": "yesterday"}, "where.state.since"),
        ({f"metadata.{number}": 1 for number in range(21)}, "where"),
        ({"metadata." + ".".join("x" * 30): 1}, None),
        ({"metadata.a\x00": 1}, "where.metadata.a\x00"),
    ],
)
def test_a_condition_that_is_wrong_names_its_field(condition, field):
    with pytest.raises(InvalidField) as caught:
        read_condition(Desk.State, condition)
    assert field is None or caught.value.members["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"metadata.a": "\x00"}, "where.metadata.a"),
        ({"metadata.a": {"in": ["x", "a\x00"]}}, "where.metadata.a"),
        ({"metadata.a": {"b": [{"c\x00": 1}]}}, "where.metadata.a"),
        ({"metadata.a": "\ud800"}, "where.metadata.a"),
        ({"state.plan": "\x00"}, "where.state.plan"),
        ({"id": {"in": ["\x00"]}}, "where.id"),
        ({"version": 10**30}, "where.version"),
        ({"messageCount": {"gt": 9_999_999_999}}, "where.messageCount"),
        ({"stateVersion": {"in": [1, -(10**10)]}}, "where.stateVersion"),
        ({"size": 2**31}, "where.size"),
    ],
)
def test_what_postgres_can_not_hold_is_refused(condition, field):
    with pytest.raises(InvalidField) as caught:
        read_condition(Desk.State, condition)
    assert caught.value.members["errors"][0]["field"] == field


def stored(protocol, values):
    """Sessions with these states; each one's id is its number."""
    for number, state in enumerate(values, len(STATES)):
        protocol.query(
            "insert into sessions (agent_id, id, state) values (%s, %s, %s)", AGENT, str(number), json.dumps(state)
        )


@pytest.mark.parametrize("field", ["since", "due"])
def test_a_text_that_is_no_time_is_found_by_no_time(protocol, found, field):
    stored(protocol, [{field: text} for text in TIMES])
    expected = [number for number, is_time in enumerate(TIMES.values(), len(STATES)) if is_time]
    others = [1] if field == "since" else []
    where = read_condition(Desk.State, {"state.since": {"gt": "1999-01-01T00:00:00Z"}})
    test = replace(where.tests[0], path=(field,))
    assert sorted(found(Condition((test,)))) == [*others, *expected]


def test_decimals_compare_as_numbers(protocol, found):
    values = ["9.5", "10", "100", 7, "1E+2", "-3", "NaN", "many", "1e99999", True, "1" * 401]
    stored(protocol, [{"price": value} for value in values])

    def having(**asked: Any) -> list[Any]:
        return [values[number - len(STATES)] for number in found({"state.price": asked})]

    assert having(gt=9) == ["9.5", "10", "100", "1E+2"]
    assert having(lt="9.5") == [7, "-3"]
    assert having(eq="100.0") == ["100", "1E+2"]
    assert having(**{"in": ["9.50", 7]}) == ["9.5", 7]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    field=some.sampled_from(["state.total", "state.counts.a", "metadata.n"]),
    operator=some.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
    value=some.sampled_from([-2, -1, 0, 1, 2, 3, 9007199254740992, 9007199254740993, 10**30]),
)
def test_numbers_compare_as_in_python(found, field, operator, value):
    held = []
    for number, state in enumerate(STATES):
        mine = number if number % 2 == 0 else None
        if field.startswith("state."):
            mine = state.get("total") if field == "state.total" else state.get("counts", {}).get("a")
        if (mine != value) if operator == "ne" else mine is not None and COMPARED[operator](mine, value):
            held.append(number)
    assert found({field: {operator: value}}) == held


def test_the_list_takes_a_condition_and_sees_large_states(stack):
    notebook, session, other = stack.agent("notebook"), new_session(), new_session()
    for command in ("grow fat 30000", "set mark 1", f"set mark {session}"):
        notebook.reply(command, session)
    notebook.reply("set mark 1", other)
    where = {"state.notes.mark": session}
    page = notebook.sessions(params={"where": json.dumps(where), "count": "true"}).json()
    assert ([one["sessionId"] for one in page["sessions"]], page["count"]) == ([session], 1)
    answer = notebook.sessions(params={"where": '{"state.nots": 1}'})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "where.state.nots")
    assert "did you mean notes?" in answer.json()["detail"]
    assert notebook.sessions(params={"where": "{"}).status_code == 422
    notebook.reply("set mark 2", session)
    assert notebook.state(session)["notes"]["mark"] == "2"


def test_the_command_takes_conditions(stack, tmp_path):
    notebook, session = stack.agent("notebook"), new_session()
    notebook.reply(f"set mark {session}", session)
    commands = Commands(tmp_path, **stack.environ)
    done = commands.call("sessions", "list", "notebook", "--json", "--where", f"state.notes.mark={session}")
    assert [one["sessionId"] for one in json.loads(done.stdout)] == [session]
    done = commands.call("sessions", "list", "notebook", "--where", "state.nots=1")
    assert (done.exit_code, "did you mean notes?" in done.stderr) == (1, True)
