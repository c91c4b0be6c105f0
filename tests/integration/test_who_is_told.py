"""What an exception says is told to who has the secret key, and to nobody else."""

import pytest

from pumice.agents.states import FailureCode
from pumice.sessions.finished import FinishedInteraction
from tests.support.client import new_session

SECRET = "the secret is 42"


def test_answers_streams_and_sockets_do_not_tell(echo):
    session = new_session()
    answer = echo.chat("fail", session)
    events = echo.events("fail", session)
    with echo.socket(session) as socket:
        socket.send("fail")
        frames = [socket.until("error")]
        socket.send({"type": "fail"})
        frames.append(socket.until("error"))
    told = [answer.text, str([event.data for event in events]), str(frames)]
    assert answer.json()["type"] == "urn:pumice:problem:handler-failed"
    assert not [text for text in told if SECRET in text or "RuntimeError(" in text]


def test_an_interaction_tells_its_failure_by_code_and_type(echo):
    failed = echo.chat("fail", new_session()).json()["interactionId"]
    public, secret = echo.interaction(failed), echo.interaction(failed, secret=True).json()
    assert SECRET not in public.text
    assert public.json()["error"] == {"attempt": 1, "code": "handler-failed", "type": "RuntimeError"}
    assert public.json()["errors"] == [public.json()["error"]]
    assert secret["error"]["message"] == SECRET
    assert "RuntimeError" in secret["error"]["traceback"]


@pytest.mark.parametrize(("how", "told"), [("raise", "handler-failed"), ("state", "unserialisable")])
def test_hooks_without_a_key_are_told_in_which_way_it_failed(receiver, how, told):
    answer = receiver.hook("fail", params={"session": new_session(), "how": how})
    assert (answer.status_code, answer.json()["type"]) == (500, f"urn:pumice:problem:{told}")
    told_in_words = " ".join([answer.json()["title"], answer.json().get("detail", "")])
    assert not [word for word in ("42", "object", "Error") if word in told_in_words]


@pytest.mark.parametrize("code", list(FailureCode))
def test_what_on_error_says_is_not_told(code):
    message = f"state.value can't be stored as JSON: {SECRET}" if code == FailureCode.SERIALIZATION else "over"
    error = {"code": code, "type": "ValueError", "message": f"{message}\non_error failed too: {SECRET}"}
    finished = FinishedInteraction("i", "chat", "failed", error=error)
    assert finished.problem is not None
    assert SECRET not in str([finished.problem.document(), *finished.events()])
