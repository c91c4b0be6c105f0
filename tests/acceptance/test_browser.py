"""A page of another origin in a real Chromium does all that docs/interfaces.md says a page can do."""

import pytest

from tests.support.browser import CHROMIUM, page
from tests.support.client import new_session
from tests.support.control import session_token

SCRIPT = """
const {url, key, token, session} = given;
const json = {"content-type": "application/json", "x-api-key": key, "x-session-token": token};
const chat = (text, more = {}) => fetch(url + "/v1/chat", {
  method: "POST", headers: {...json, ...more},
  body: JSON.stringify({sessionId: session, messages: [{role: "user", content: text}]}),
});
const at = `${url}/v1/agents/guarded/sessions/${session}`;
const events = (last = "") => new EventSource(`${at}/events?apiKey=${key}&sessionToken=${token}&lastEventId=${last}`);
const until = (source, role) => new Promise((yes) => source.addEventListener("message", (event) => {
  const data = JSON.parse(event.data);
  if (data.message && data.message.role === role) yes([data.message.content, event.lastEventId]);
}));

await step("chat", async () => (await (await chat("hello")).json()).message.content);
await step("stream", async () => {
  const text = await (await chat("streamed", {accept: "text/event-stream"})).text();
  return [...text.matchAll(/^event: (.*)$/gm)].map((found) => found[1]);
});
await step("resumed", async () => {
  const first = await (await chat("once", {accept: "text/event-stream"})).text();
  const last = [...first.matchAll(/^id: (.*)$/gm)][1][1];
  const again = await (await chat("once", {accept: "text/event-stream", "last-event-id": last})).text();
  return [...again.matchAll(/^event: (.*)$/gm)].map((found) => found[1]);
});
await step("history", async () => {
  const answer = await fetch(at + "/messages", {headers: json});
  return (await answer.json()).messages.filter((one) => one.role === "user").map((one) => one.content);
});
let last = "";
await step("eventSource", async () => {
  const source = events();
  await new Promise((yes) => source.addEventListener("session", yes));
  const [question, answer] = [until(source, "user"), until(source, "assistant")];
  await chat("from another tab");
  last = (await answer)[1];
  source.close();
  return [(await question)[0], (await answer)[0]];
});
await step("eventSourceReconnects", async () => {
  await chat("while away");
  const source = events(encodeURIComponent(last));
  const said = await until(source, "user");
  source.close();
  return said[0];
});
await step("socket", () => new Promise((yes, no) => {
  const socket = new WebSocket(url.replace("http", "ws") + "/v1/guarded?sessionId=" + session,
    ["pumice", "api-key." + key, "session-token." + token]);
  socket.onerror = () => no(new Error("error"));
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.type === "session") socket.send("by socket");
    if (frame.type === "message") { socket.close(); yes([socket.protocol, frame.message.content]); }
  };
}));
await step("stop", async () => (await fetch(at + "/stop", {method: "POST", headers: json})).json());
await step("problem", async () => {
  const answer = await fetch(url + "/v1/chat", {method: "POST", headers: {...json, "x-api-key": "pub_x"}, body: "{}"});
  return [answer.status, (await answer.json()).type];
});
await step("notFound", async () => (await fetch(url + "/nowhere", {headers: json})).status);
await step("location", async () => {
  const answer = await chat("later", {prefer: "respond-async"});
  const [location, later] = ["location", "retry-after"].map((name) => answer.headers.get(name));
  return [answer.status, location.startsWith("/v1/interactions/"), later];
});
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; Debian's package is called chromium")
def test_what_a_page_of_another_origin_can_do(control, tmp_path):
    guarded, session = control.agent("guarded"), new_session()
    given = {"url": guarded.url, "key": guarded.public_key, "token": session_token(session), "session": session}
    with page(SCRIPT, given, tmp_path / "profile") as found:
        seen = found.get(timeout=90)
    assert seen == {
        "chat": "1: hello",
        "stream": ["session", "accepted", "message", "done"],
        "resumed": ["session", "accepted", "message", "done"],
        "history": ["hello", "streamed", "once"],
        "eventSource": ["from another tab", "7: from another tab"],
        "eventSourceReconnects": "while away",
        "socket": ["pumice", "11: by socket"],
        "stop": {"cancelled": []},
        "problem": [401, "urn:pumice:problem:unauthorized"],
        "notFound": 404,
        "location": [202, True, "1"],
    }


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; Debian's package is called chromium")
def test_a_page_that_is_not_named_reads_nothing(control, tmp_path):
    script = """
    await step("chat", async () => (await fetch(given.url + "/v1/chat", {
      method: "POST", headers: {"content-type": "application/json", "x-api-key": given.key},
      body: JSON.stringify({messages: ["x"]}),
    })).status);
    await step("simple", async () => (await fetch(given.url + "/healthz")).status);
    await step("socket", () => new Promise((yes) => {
      new WebSocket(`${given.url.replace("http", "ws")}/v1/plain?apiKey=${given.key}`).onclose = (end) => yes(end.code);
    }));
    """
    with control.front(ALLOWED_ORIGINS="https://page.example") as front:
        plain = control.agent("plain", front.url)
        with page(script, {"url": front.url, "key": plain.public_key}, tmp_path / "profile") as found:
            seen = found.get(timeout=60)
    assert seen == {"chat": "failed: TypeError: Failed to fetch", "simple": "failed: TypeError: Failed to fetch"} | {
        "socket": 4403
    }
