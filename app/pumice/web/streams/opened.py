"""What an open stream (SSE) holds of its front, taken together and given back together, whatever happens."""

import contextlib

from pumice.errors import Problem
from pumice.web.http.front import Front
from pumice.web.http.tokens import Grant
from pumice.web.http.waiting import Waiter
from pumice.web.streams.outbox import Outbox


class OpenStream:
    """A stream on one session: its watch, its outbox, and the interaction that it waits for, if any."""

    def __init__(self, front: Front, agent_id: str, session_id: str) -> None:
        self.front = front
        self.session_id = session_id
        self.outbox = Outbox(front.backlog)
        self.waiter: Waiter | None = None
        self._held = contextlib.ExitStack()
        self.watch = front.subscriber.watch(agent_id, session_id, self.outbox.put, self.outbox.fail)

    def allowed_by(self, key: str, grant: Grant) -> None:
        """Have the stream end when this key is revoked or the grant expires."""
        self._held.enter_context(self.front.streams.holding(key, grant.expires, self._end))

    def expect(self, interaction_id: str, *, eager: bool = False) -> Waiter:
        """Wait for this interaction, and for no other any more."""
        if self.waiter is not None:
            self.front.replies.forget(self.waiter)
        self.waiter = self.front.replies.expect(interaction_id, eager=eager, on_over=lambda _: self.outbox.wake())
        return self.waiter

    def close(self) -> None:
        """Give everything back; may be called again."""
        self._held.close()
        self.front.subscriber.forget(self.watch)
        self.outbox.close()
        if self.waiter is not None:
            self.front.replies.forget(self.waiter)

    def _end(self, problem: Problem) -> None:
        self.outbox.end(problem)
