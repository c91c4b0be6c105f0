"""Under `pumice.testing` a repeat is recognised as in production, and a refusal is the problem that a client sees."""

from datetime import timedelta

import pytest

from pumice import Agent, body, hook, query, testing
from pumice.errors import InvalidField, Malformed, MethodNotAllowed, SecretMissing, SelectorFailed, UnknownHook
from pumice.sources import stripe


class Till(Agent):
    class State(Agent.State):
        total: int = 0

    def reply(self, messages):
        self.state.total += 1
        return f"{self.state.total}: {messages[-1].text}"

    @hook("paid", session=query("session"))
    def paid(self, request):
        self.state.total += request.json["amount"]
        if request.json["amount"] < 0:
            raise ValueError("less than nothing")
        return {"total": self.state.total}

    @hook("counted", session=query("session"), dedupe=body("id"))
    def counted(self, request):
        self.state.total += 1
        return {"total": self.state.total}

    @hook("checked", verify=lambda request: request.headers["X-Key"] == "k", methods=("POST",))
    def checked(self, request): ...

    @hook("torn", session=lambda request: request.json["a"]["b"])
    def torn(self, request): ...


class Healing(Agent):
    @hook("take", session="h")
    def take(self, request):
        if self.interaction.attempt == 1:
            raise ValueError("not yet")
        return {"attempt": self.interaction.attempt}


@pytest.fixture
def till():
    return testing.session(Till, "c1")


def pay(session, amount, session_id="c1", **headers):
    return session.hook("paid", json={"amount": amount}, query={"session": session_id}, headers=headers)


def test_a_delivery_that_comes_again_runs_once(till):
    first = pay(till, 5, **{"X-GitHub-Delivery": "d1"})
    again = pay(till, 7, **{"X-GitHub-Delivery": "d1"})
    assert (first.json, again.json, till.state.total) == ({"total": 5}, {"total": 5}, 5)
    assert again.headers["X-Interaction-Id"] == first.headers["X-Interaction-Id"]
    assert pay(till, 7, **{"X-GitHub-Delivery": "d2"}).json == {"total": 12}
    assert pay(till, 7, **{"Idempotency-Key": "d1"}).json == {"total": 5}
    assert len(till.interactions) == 2


def test_the_hooks_own_selector_says_what_is_a_repeat(till):
    for number, total in [(1, 1), (2, 2), (1, 1), (None, 3), (None, 4)]:
        answer = till.hook("counted", json={"id": number}, query={"session": "c1"}, headers={"X-GitHub-Delivery": "d"})
        assert answer.json == {"total": total}


def test_hooks_do_not_share_their_deliveries(till):
    pay(till, 5, **{"Idempotency-Key": "d1"})
    assert till.hook("counted", query={"session": "c1"}, headers={"Idempotency-Key": "d1"}).json == {"total": 6}


def test_a_repeat_of_a_failure_runs_it_again(till):
    for _ in range(2):
        with pytest.raises(ValueError, match="less than nothing"):
            pay(till, -1, **{"X-GitHub-Delivery": "d1"})
    assert (len(till.interactions), till.attempts) == (1, 2)
    assert pay(till, 3, **{"X-GitHub-Delivery": "d2"}).json == {"total": 3}


def test_a_repeat_that_heals_is_answered_with_what_it_did():
    session = testing.session(Healing, "h")
    with pytest.raises(ValueError, match="not yet"):
        session.hook("take", headers={"X-GitHub-Delivery": "d1"})
    for _ in range(2):
        assert session.hook("take", headers={"X-GitHub-Delivery": "d1"}).json == {"attempt": 2}
    assert [(one.status, len(one.errors)) for one in session.interactions] == [("done", 1)]


def test_a_delivery_is_forgotten_after_a_day(till):
    pay(till, 5, **{"X-GitHub-Delivery": "d1"})
    till.advance(timedelta(hours=24))
    assert pay(till, 5, **{"X-GitHub-Delivery": "d1"}).json == {"total": 5}
    till.advance(1)
    assert pay(till, 5, **{"X-GitHub-Delivery": "d1"}).json == {"total": 10}


def test_a_chat_that_comes_again_gets_the_first_reply(till):
    assert till.chat("hi", idempotency_key="k") == "1: hi"
    assert till.chat("hi", idempotency_key="k") == "1: hi"
    assert till.chat("other", idempotency_key="l") == "2: other"
    with pytest.raises(InvalidField, match="Idempotency-Key: came with another body before"):
        till.chat("other", idempotency_key="k")
    assert till.peer("c2").chat("other", idempotency_key="k") == "1: other"
    assert len(till.messages) == 4
    with pytest.raises(InvalidField, match="Idempotency-Key: must have 1 to 255 printable characters"):
        till.chat("hi", idempotency_key="\n")


@pytest.mark.parametrize(
    ("name", "options", "kind", "text"),
    [
        ("none", {}, UnknownHook, "The agent Till has no hook 'none'."),
        ("checked", {"method": "GET"}, MethodNotAllowed, "The hook takes POST."),
        ("torn", {"json": {}}, SelectorFailed, "The session selector <lambda> of the hook torn failed: KeyError$"),
        ("torn", {"json": {"a": {"b": True}}}, InvalidField, r"session \(from <lambda>\): must be a string"),
        ("paid", {"data": "{", "headers": {"Content-Type": "application/json"}}, Malformed, "the body is not JSON"),
        ("paid", {"headers": {"Idempotency-Key": ""}, "query": {"session": "c1"}}, InvalidField, "Idempotency-Key"),
        ("counted", {"data": "x", "query": {"session": "c1"}}, SelectorFailed, "The dedupe selector .* failed"),
    ],
)
def test_refusals_are_the_problems_of_production(till, name, options, kind, text):
    with pytest.raises(kind, match=text):
        till.hook(name, **options)
    assert till.interactions == []


def test_a_verifier_that_refuses_or_raises_is_answered_with_401(till):
    for headers, detail in [({}, "could not verify the request."), ({"X-Key": "x"}, "refused the request.")]:
        answer = till.hook("checked", headers=headers)
        assert (answer.status, answer.headers["Content-Type"]) == (401, "application/problem+json")
        assert answer.json["detail"] == f"The hook checked {detail}"


def test_a_hook_that_is_answered_at_once_says_where_to_look(till):
    answer = pay(till, 5, Prefer="respond-async")
    [one] = till.interactions
    assert (answer.status, answer.json["sessionId"], one.status) == (202, "c1", "done")
    assert answer.headers["Location"] == f"/v1/interactions/{one.id}"


def test_what_can_not_be_called_in_production_can_not_be_called(till):
    for method in ("send", "_private", "nothing"):
        with pytest.raises(LookupError, match=f"Till has no method '{method}' to call"):
            till.call(method)


class Clocked(Agent):
    class State(Agent.State):
        late: int = 0

    @hook("events", source=stripe("NOBODY_SET_THIS"), session=body("customer"), order="event")
    def events(self, request):
        self.state.late += request.stale
        return {"event": request.event, "stale": request.stale}


def test_events_are_signed_for_the_test_and_late_ones_are_marked():
    session = testing.session(Clocked)
    sent = [{"id": f"e{at}", "type": "paid", "created": at, "customer": "c1"} for at in (2, 3, 1)]
    assert [session.hook("events", json=one).json["stale"] for one in sent] == [False, False, True]
    assert session.hook("events", json=sent[2]).json == {"event": "paid", "stale": True}
    assert session.state.late == 1
    with pytest.raises(SecretMissing, match="NOBODY_SET_THIS is missing or empty"):
        session.hook("events", json=sent[0], sign=False)
