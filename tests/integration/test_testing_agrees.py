"""The same agent on real processes and under `pumice.testing`: the same answers, states, messages and ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pumice import testing
from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.agents_testing import VALUES, Keeper, Loose
from tests.support.client import new_session
from tests.support.databases import ExternalServer, database
from tests.support.parity import Production, Rehearsal
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

AGENTS = "Keeper=tests.support.agents_testing:Keeper,Loose=tests.support.agents_testing:Loose"
REDIS_DATABASE = 4


@pytest.fixture(scope="module")
def served(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack(environ, AGENTS) as running:
            yield running


@dataclass
class Pair:
    """A session in production and the same in a test."""

    production: Production
    rehearsal: Rehearsal

    def both(self, what: str, *arguments: Any, **options: Any) -> Any:
        """Do the same on both. Returns what their caller saw, which must be the same."""
        real = getattr(self.production, what)(*arguments, **options)
        assert getattr(self.rehearsal, what)(*arguments, **options) == real
        return real

    def agree(self) -> None:
        """What is stored of both is the same."""
        assert self.rehearsal.state() == self.production.state()
        assert self.rehearsal.messages() == self.production.messages()
        assert self.rehearsal.interactions() == self.production.interactions()

    def settle(self, count: int) -> None:
        """Wait until so many interactions are finished in production, then agree."""
        query = "select 1 from interactions where session_id = %s and status <> 'queued'"
        stack, session = self.production._stack, self.production.id
        wait_until(lambda: len(stack.query(query, session)) == count, 20, f"{count} interactions")
        self.agree()


def pair(served: Stack, agent: type[Any] = Keeper) -> Pair:
    session = new_session()
    client = served.agent(agent.__name__)
    return Pair(Production(served, client, session), Rehearsal(testing.session(agent, session)))


@pytest.fixture
def two(served: Stack) -> Pair:
    return pair(served)


@pytest.mark.parametrize("kind", VALUES)
def test_a_state_comes_back_as_postgres_gives_it_or_is_refused_alike(two, kind):
    two.both("hook", "keep", data=kind)
    two.agree()
    two.both("hook", "again")
    two.agree()


@pytest.mark.parametrize("ratio", ["1e300", "-0.0", "1e-7", "123456789012345678", "0.1", "nan", "-inf"])
def test_floats(two, ratio):
    two.both("hook", "ratio", data=ratio)
    two.both("hook", "ratio", data="1")
    two.agree()


def test_dicts_keep_the_order_of_their_keys(two):
    two.both("hook", "names", json={"zz": 1, "é": 2, "a": 3})
    two.both("hook", "names", json={"b": 1, "aaaa": 2})
    two.agree()
    assert list(two.rehearsal.session.state.names) == ["zz", "é", "a", "b", "aaaa"]


def test_what_postgres_refuses_is_refused(served):
    loose = pair(served, Loose)
    seen = loose.both("hook", "ratio", data="nan")
    assert (seen.status, dict(seen.body)["detail"]) == (
        500,
        "state.ratio can't be stored as JSON",
    )
    loose.both("hook", "ratio", data="1")
    loose.agree()


@pytest.mark.parametrize("text", ["hi", "parts", *VALUES, *(f"data:{kind}" for kind in VALUES)])
def test_a_reply_is_stored_alike_or_refused_alike(two, text):
    two.both("chat", text)
    two.both("chat", "and then")
    two.agree()


def test_a_conversation_is_replaced(two):
    for text in ("a", "b", "c"):
        two.both("chat", text)
    two.both("chat", "new", history="replace")
    two.both("chat", "more")
    two.agree()


@pytest.mark.parametrize(
    "kind",
    ["none", "text", "bytes", "json", "status", "headers", "response", "teapot", "object", "model", "unknown"],
)
def test_answers(two, kind):
    two.both("hook", "answer", query={"kind": kind})
    two.agree()


@pytest.mark.parametrize("name", ["fail", "asked"])
@pytest.mark.parametrize("times", [1, 2, 9])
def test_retries(two, name, times):
    two.both("hook", name, query={"times": str(times)})
    two.agree()


@pytest.mark.parametrize("name", ["blocking", "passing"])
def test_whether_others_wait_for_a_retry(two, name):
    two.both("hook", name)
    stack, session = two.production._stack, two.production.id
    wait_until(lambda: stack.query("select 1 from interactions where session_id = %s and errors is not null", session))
    for note in "ab":
        two.both("hook", "note", data=note)
    two.rehearsal.session.advance(2)
    two.settle(3)


@pytest.mark.parametrize("name", ["hang", "hang-async"])
def test_time_limits(two, name):
    seen = two.both("hook", name)
    assert seen.status == 504
    two.both("hook", "again")
    two.agree()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("checked", {}),
        ("checked", {"headers": {"X-Key": "wrong"}}),
        ("checked", {"headers": {"X-Key": "k"}}),
        ("selected", {}),
        ("got", {}),
        ("unheard", {}),
        ("names", {"data": "{", "headers": {"Content-Type": "application/json"}}),
        ("known", {"json": {"id": "a\nb"}}),
        ("known", {"data": "no json"}),
        ("known", {"json": {}, "headers": {"Idempotency-Key": "x" * 256}}),
        ("note", {"data": "a"}),
        ("again", {"headers": {"Prefer": "respond-async"}}),
    ],
)
def test_requests_that_are_refused_or_answered_at_once(two, name, options):
    two.both("hook", name, **options)


def test_a_request_looks_alike(two):
    given = {"method": "GET", "query": {"b": "1", "a": "ä ö"}, "headers": {"X-Session": two.production.id, "X-A": "b"}}
    two.both("hook", "got", **given)


@pytest.mark.parametrize("headers", [{"X-GitHub-Delivery": "1"}, {"Idempotency-Key": "1"}, {}])
def test_repeated_deliveries(two, headers):
    key = two.production.id
    headers = {name: key + value for name, value in headers.items()}
    for text in ("first", "second"):
        two.both("hook", "known", json={"id": key, "text": text}, headers=headers)
    two.both("hook", "known", json={"id": f"{key}-2", "text": "third"}, headers={})
    two.agree()


def test_a_repeat_of_what_failed_fails_alike(two):
    headers = {"X-GitHub-Delivery": two.production.id}
    first = two.production.hook("answer", query={"kind": "unknown"}, headers=headers)
    assert two.production.hook("answer", query={"kind": "text"}, headers=headers) == first
    for _ in range(2):
        with pytest.raises(KeyError, match="unknown"):
            two.rehearsal.session.hook(
                "answer", query={"session": two.production.id, "kind": "unknown"}, headers=headers
            )
    two.agree()


def test_repeated_chats(two):
    headers = {"Idempotency-Key": two.production.id}
    first = two.both("chat", "first", headers=headers)
    assert two.both("chat", "first", headers=headers) == first
    assert two.both("chat", "second", headers=headers).status == 422
    two.both("chat", "third")
    two.agree()


def test_what_is_scheduled_runs_in_production_s_order(two):
    two.both("hook", "plan")
    two.rehearsal.session.advance(7)
    two.settle(7)
