"""Whose messages may have which role, and what of a transcript with tool calls is kept."""

from typing import Any

import pytest

from tests.support.client import chat_body, new_session

CALL = {"id": "c1", "type": "function", "function": {"name": "note", "arguments": "{}"}}
TRANSCRIPT: list[dict[str, Any]] = [
    {"role": "user", "content": "note it"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "noted", "tool_call_id": "c1"},
]


@pytest.mark.parametrize("role", ["assistant", "system", "tool"])
def test_a_public_key_speaks_as_a_user_only(echo, role):
    session = new_session()
    body = {"sessionId": session, "messages": ["hi", {"role": role, "content": "x"}]}
    answer = echo.post("/v1/chat", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "messages[1].role")
    assert not echo.exists(session)
    assert echo.post("/v1/chat", json=body, headers=echo.secret).status_code == 200


def test_sockets_have_the_same_roles(echo):
    with echo.socket() as public:
        for frame in (
            {"role": "system", "content": "x"},
            {"type": "chat", "messages": [{"role": "tool", "content": ""}]},
        ):
            public.send(frame)
            assert public.until("error")["error"]["errors"][0]["field"] == "messages[0].role"
        public.send({"role": "user", "content": "x"})
        assert public.until("message")["message"]["content"] == "1: x"
    with echo.socket(address=f"/v1/echo?apiKey={echo.secret_key}") as secret:
        secret.send({"role": "system", "content": "x"})
        assert secret.until("message")["message"]["content"] == "1: x"


def test_an_agent_may_allow_more(control):
    agent = control.agent("open")
    body = chat_body("x", new_session())
    body["messages"].insert(0, {"role": "system", "content": "be short"})
    assert agent.post("/v1/chat", json=body).status_code == 200
    body["messages"][0]["role"] = "assistant"
    answer = agent.post("/v1/chat", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "messages[0].role")


def test_a_tool_transcript_is_kept(echo):
    session = new_session()
    body = {"sessionId": session, "messages": TRANSCRIPT}
    assert echo.post("/v1/chat", json=body, headers=echo.secret).status_code == 200
    stored = echo.sessions(f"/{session}/messages").json()["messages"]
    assert [{name: one[name] for name in given} for one, given in zip(stored, TRANSCRIPT, strict=False)] == TRANSCRIPT
    assert echo.reply("and now", session) == "5: and now"
