"""Server-sent events (WHATWG HTML, "Server-sent events"): one interaction as it runs, or a session's events."""

import queue
import time
from collections.abc import Iterator

import orjson
from flask import Response

from pumice.agents.spec import AgentSpec
from pumice.agents.states import Reason
from pumice.sessions.accept import NewInteraction
from pumice.web.http.front import Front
from pumice.web.http.subscriber import UnusableCursorError, Watch, is_cursor, read_cursor
from pumice.web.http.waiting import Waiter
from pumice.web.streams.stream_end import ENDS, LATE

Frame = tuple[str, bytes]


def stream_interaction(front: Front, spec: AgentSpec, wanted: NewInteraction, last_event_id: str | None) -> Response:
    """Accept a chat and stream its events until it is finished; first what the session missed, if a cursor came."""
    frames: queue.Queue[Frame | None] = queue.Queue(10_000)
    watch = front.subscriber.watch(wanted.agent_id, wanted.session_id, lambda *frame: frames.put(frame))
    waiter = front.replies.expect(wanted.id, on_over=lambda _: frames.put(None))
    try:
        accepted = front.intake.accept(spec, wanted)
    except BaseException:
        watch.close()
        front.replies.forget(waiter)
        raise
    if accepted.duplicate:
        front.replies.forget(waiter)
        waiter = front.replies.expect(accepted.id, eager=True, on_over=lambda _: frames.put(None))
    stream = InteractionStream(front, waiter, watch, frames, accepted.session_id, all_of_session=bool(last_event_id))
    return Response(
        stream.run(last_event_id),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Location": f"/v1/interactions/{accepted.id}"},
    )


class InteractionStream:
    """The frames of one interaction: `session`, `accepted`, then its events up to `done` or `error`."""

    def __init__(
        self,
        front: Front,
        waiter: Waiter,
        watch: Watch,
        frames: "queue.Queue[Frame | None]",
        session_id: str,
        *,
        all_of_session: bool,
    ) -> None:
        self._front = front
        self._waiter = waiter
        self._watch = watch
        self._frames = frames
        self._session_id = session_id
        self._all = all_of_session
        self._local = 0
        self._sent = watch.cursor

    def run(self, last_event_id: str | None) -> Iterator[bytes]:
        """The stream, as bytes."""
        newest, after = self._sent, read_cursor(last_event_id)
        self._sent = after if after is not None and is_cursor(after) else newest
        try:
            yield self._own({"type": "session", "sessionId": self._session_id})
            try:
                self._watch.go_live(after)
            except UnusableCursorError as error:
                self._sent = newest
                yield self._own({"type": "error", "error": error.document()})
            yield self._own({"type": "accepted", "interactionId": self._waiter.interaction_id})
            yield from self._events()
        finally:
            self._watch.close()
            self._front.replies.forget(self._waiter)

    def _events(self) -> Iterator[bytes]:
        give_up: float | None = None
        has_message = False
        while True:
            wait = self._front.settings.ping_interval if give_up is None else max(give_up - time.monotonic(), 0)
            try:
                frame = self._frames.get(timeout=wait)
            except queue.Empty:
                if give_up is None:
                    yield b": ping\n\n"
                    continue
                if self._waiter.finished is not None:
                    for made_up in self._waiter.finished.events(has_message=has_message):
                        yield self._own(made_up)
                return
            if frame is None:
                finished = self._waiter.finished
                if finished is not None and finished.merged_into is not None:
                    yield self._follow(finished.merged_into)
                elif finished is not None:
                    give_up = time.monotonic() + LATE
                continue
            event = orjson.loads(frame[1])
            mine = event.get("interactionId") == self._waiter.interaction_id
            if mine and event["type"] == "error" and event["error"].get("reasonCode") == Reason.MERGED:
                yield self._follow(event["error"]["supersededBy"])
                continue
            if mine or self._all:
                self._sent = frame[0]
                yield _frame(frame[0], event["type"], {"eventId": frame[0], **event})
            has_message = has_message or (mine and event["type"] == "message")
            if mine and event["type"] in ENDS:
                return

    def _follow(self, newer: str) -> bytes:
        """Go on with the chat that took this one's messages over."""
        self._front.replies.forget(self._waiter)
        self._waiter = self._front.replies.expect(newer, eager=True, on_over=lambda _: self._frames.put(None))
        return self._own({"type": "accepted", "interactionId": newer})

    def _own(self, event: dict[str, object]) -> bytes:
        """A frame of this stream only; its id resumes from the session event sent before it."""
        self._local += 1
        event_id = f"{self._sent}+{self._local}"
        return _frame(event_id, str(event["type"]), {"eventId": event_id, **event})


def _frame(event_id: str, kind: str, event: dict[str, object]) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event_id.encode(), kind.encode(), orjson.dumps(event))
