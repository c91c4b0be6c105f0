"""`pumice.testing.session`, as an author uses it."""

import asyncio
import io
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pumice import Agent, Message, Response, body, hook, job, testing
from pumice.errors import InvalidField, MethodNotAllowed


class Desk(Agent):
    class State(Agent.State):
        orders: dict[str, str] = {}
        greeted: bool = False
        pair: tuple[int, ...] = ()

    history = 2

    def setup(self):
        self.state.greeted = True

    def reply(self, messages):
        yield f"{len(messages)} messages, "
        yield f"{len(self.state.orders)} orders"

    async def receive(self, data):
        self.send({"got": data})
        return "ok"

    @hook("order", session=body("customer.id"))
    def order(self, request):
        self.state.orders[request.json["id"]] = request.json["status"]
        if request.json["status"] == "lost":
            raise LookupError("lost")
        return {"stored": True}, 201

    @hook("any", methods=("GET",))
    def anything(self, request):
        return request.query["who"]

    @hook("upload", methods=("POST",))
    def upload(self, request):
        return request.files["file"].read() + request.form["note"].encode()

    @hook("later", respond="accepted")
    def later(self, request):
        self.state.orders["later"] = request.text

    @hook("checked", verify=lambda request: request.headers.get("X-Key") == "k")
    def checked(self, request):
        return Response("welcome", headers={"X-A": "b"})

    @job("0 9 * * *", timezone="Europe/Berlin")
    def remind(self):
        self.send({"reminder": len(self.state.orders)})
        return self.interaction.scheduled_for

    @staticmethod
    @job("0 0 * * *")
    def nightly():
        return "good night"

    def plan(self):
        self.schedule(timedelta(minutes=5), "note", "second")
        self.schedule(5, "note", "first")
        self.call("other", "note", "elsewhere", status="there")

    def note(self, order, status="noted"):
        self.state.orders[order] = status
        self.schedule(1, "note", order)
        return order

    def pairs(self):
        self.state.pair = (1, 2)


def test_three_lines():
    session = testing.session(Desk)
    assert session.hook("order", json={"id": "7", "status": "sent", "customer": {"id": "c1"}}).json == {"stored": True}
    assert session.chat("hi") == "1 messages, 1 orders"


def test_a_chat_streams_and_is_remembered():
    session = testing.session(Desk)
    assert session.chat("hi") == "1 messages, 0 orders"
    assert session.deltas == ["1 messages, ", "0 orders"]
    assert session.messages == [Message("user", "hi"), Message("assistant", "1 messages, 0 orders")]
    assert session.chat(["a", Message("user", "b"), {"role": "user", "content": "c"}]) == "5 messages, 0 orders"
    assert session.chat("new", history="replace") == "1 messages, 0 orders"
    assert len(session.messages) == 2


def test_an_agent_sees_its_newest_messages_only():
    session = testing.session(Desk)
    for _ in range(3):
        session.chat("hi")
    assert session.messages[-1].text == "3 messages, 0 orders"
    assert len(session.messages) == 6


def test_a_hook_answers_as_its_caller_sees_it():
    session = testing.session(Desk)
    answer = session.hook("order", json={"id": "7", "status": "sent", "customer": {"id": "c1"}})
    assert (answer.status, answer.json, answer.headers["Content-Type"]) == (201, {"stored": True}, "application/json")
    assert session.session_id == "c1"
    assert session.state == Desk.State(orders={"7": "sent"}, greeted=True)


def test_a_hook_that_selects_another_session_is_found_out():
    session = testing.session(Desk, "c1")
    session.hook("order", json={"id": "7", "status": "sent", "customer": {"id": "c1"}})
    with pytest.raises(AssertionError, match="selected the session 'c2'"):
        session.hook("order", json={"id": "8", "status": "sent", "customer": {"id": "c2"}})
    with pytest.raises(AssertionError, match="selected no session"):
        session.hook("order", json={"id": "8", "status": "sent"})
    assert set(session.state.orders) == {"7"}


@pytest.mark.parametrize("customer", [{"a": 1}, "", "\n", 1.5])
def test_a_selector_that_selects_no_session_id(customer):
    session = testing.session(Desk)
    sent = {"id": "7", "status": "sent", "customer": {"id": customer}}
    if customer == "":
        assert session.hook("order", json=sent).status == 201
        return
    with pytest.raises(InvalidField):
        session.hook("order", json=sent)


def test_what_a_handler_raises_is_raised_and_nothing_is_kept():
    session = testing.session(Desk, state={"orders": {"1": "sent"}})
    with pytest.raises(LookupError, match="lost"):
        session.hook("order", json={"id": "7", "status": "lost", "customer": {"id": "c1"}})
    assert session.state.orders == {"1": "sent"}


def test_the_forms_of_a_request():
    session = testing.session(Desk)
    assert session.hook("any", query={"who": "me"}).text == "me"
    assert session.hook("upload", data={"file": (io.BytesIO(b"\x00"), "a"), "note": "n"}).body == b"\x00n"
    with pytest.raises(MethodNotAllowed, match="takes GET"):
        session.hook("any", method="POST")


def test_an_accepted_hook_answers_202_and_runs():
    session = testing.session(Desk)
    assert session.hook("later", data="käse").status == 202
    assert session.state.orders == {"later": "käse"}


def test_a_hook_verifies():
    session = testing.session(Desk)
    assert session.hook("checked").status == 401
    answer = session.hook("checked", headers={"X-Key": "k"})
    assert (answer.text, answer.headers["x-a"]) == ("welcome", "b")


def test_jobs():
    session = testing.session(Desk, state=Desk.State(orders={"1": "sent"}))
    due = datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert session.job("remind", scheduled_for=due) == "2026-01-01T08:00:00+00:00"
    assert session.sent == [{"reminder": 1}]
    assert session.job("nightly") == "good night"


def test_frames():
    session = testing.session(Desk)
    assert session.receive({"x": 1}) == "ok"
    assert session.sent == [{"got": {"x": 1}}, "ok"]


def test_what_is_scheduled_and_called():
    session = testing.session(Desk, "me")
    session.call("plan")
    assert [(one.method, one.args, one.delay) for one in session.scheduled] == [
        ("note", ("second",), 300),
        ("note", ("first",), 5),
    ]
    assert [(one.session_id, one.args, one.kwargs) for one in session.calls] == [
        ("other", ("elsewhere",), {"status": "there"})
    ]
    assert session.run_scheduled() == ["elsewhere", "first", "second"]
    assert session.state.orders == {"first": "noted", "second": "noted"}
    assert session.peer("other").state.orders == {"elsewhere": "there"}
    assert [one.args for one in session.scheduled] == [("first",), ("second",)]


def test_a_state_goes_through_json():
    session = testing.session(Desk)
    session.call("pairs")
    assert session.state.pair == (1, 2)
    session.state.orders["lost"] = "a copy"
    assert session.state.orders == {}


def test_setup_runs_once_and_not_on_a_given_state():
    session = testing.session(Desk)
    assert not session.state.greeted
    session.chat("hi")
    assert session.state.greeted
    given = testing.session(Desk, state={})
    given.chat("hi")
    assert not given.state.greeted


def test_what_does_not_exist_is_named():
    class Silent(Agent): ...

    session = testing.session(Silent)
    for attempt in (lambda: session.hook("x"), lambda: session.job("x"), lambda: session.call("x")):
        with pytest.raises(LookupError, match="Silent has no"):
            attempt()
    with pytest.raises(LookupError, match="Silent has no reply"):
        session.chat("hi")
    with pytest.raises(ValidationError):
        testing.session(Desk, state={"orders": 5})
    with pytest.raises(InvalidField):
        testing.session(Desk, "")


def test_async_selectors_and_tests_that_run_on_a_loop():
    async def choose(request):
        await asyncio.sleep(0)
        return request.text

    class Later(Agent):
        @hook("x", session=choose)
        async def take(self, request):
            await asyncio.sleep(0)
            return self.session_id

    async def test():
        return testing.session(Later).hook("x", data="chosen").text

    assert asyncio.run(test()) == "chosen"
    assert testing.session(Later).hook("x", data="chosen").text == "chosen"
