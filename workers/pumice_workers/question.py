"""What a user said with the chat that runs, shown to the session's other streams before anything else of its turn."""

from pumice.agents.json_text import loads
from pumice.agents.states import Kind
from pumice.agents.turn import Work
from pumice.messaging.events import EventPublisher
from pumice.messaging.said import said_events
from pumice.sessions.leases import Lease


class Question:
    """Shown with the first event of a turn, or once the turn is slow; else with its reply, which needs no question.

    Two threads may show it at the same moment: streams drop the second.
    """

    def __init__(self, events: EventPublisher, lease: Lease, work: Work) -> None:
        self._events = events
        self._lease = lease
        self._work = work
        self.shown = False

    def show(self) -> None:
        """Publish it, unless that was done."""
        if self.shown or self._work.kind != Kind.CHAT:
            return
        self.shown = True
        payload = loads(self._work.payload)
        replaces = payload.get("history") == "replace"
        self._events.publish(*said_events(self._lease, self._work.id, payload["messages"], replaces=replaces))
