"""What is noted of one request to a hook: what became of it, and why."""

from pumice.agents.context import new_id
from pumice.agents.deliveries import Handled
from pumice.agents.requests import Request
from pumice.agents.scrubbing import plain, shown_body, shown_headers, shown_path, without
from pumice.agents.sources import Received, Source
from pumice.errors import Problem
from pumice.sessions.accept import Accepted
from pumice.sessions.delivery_log import BODY_BYTES, Recorded
from pumice.settings import secrets_of
from pumice.web.http.delivery_log import UNSELECTED, DeliveryLog

LONGEST_REASON = 500


class Notes:
    """Notes on one request."""

    def __init__(self, log: DeliveryLog, agent_id: str, hook: str, source: Source | None, received: Received) -> None:
        self.hook = hook
        self.source = source
        self.received = received
        self.event: str | None = None
        self._log = log
        self._agent_id = agent_id

    def accepted(self, accepted: Accepted, told: Request) -> None:
        """Note that it is an interaction, or repeats one."""
        if accepted.starts:
            self._log.count(self._agent_id, self.hook, self.event, "accepted")
        else:
            self._record("repeated", delivery_id=told.delivery_id, accepted=accepted)

    def handled(self, handled: Handled) -> None:
        """Note that it was answered without a turn."""
        self.event = handled.event
        self._record(handled.status)

    def refused(self, problem: Problem) -> None:
        """Note that it was refused, and why."""
        self._record("refused", f"{problem.status} {problem.detail}")

    def unselected(self) -> None:
        """Count that the hook's selector found no session: often a mistake."""
        self._log.count(self._agent_id, self.hook, self.event, UNSELECTED)

    def _record(
        self, status: str, reason: str | None = None, delivery_id: str | None = None, accepted: Accepted | None = None
    ) -> None:
        request = self.received.request
        source = self.source
        secrets = source.secrets_from(secrets_of) if source is not None else ()
        self._log.record(
            Recorded(
                id=new_id(),
                agent_id=self._agent_id,
                hook=self.hook,
                status=status,
                method=request.method,
                path=plain(shown_path(request.path, secrets), 4_000) or "",
                headers=[(pair[0], pair[1]) for pair in shown_headers(request.headers, secrets)],
                body=shown_body(request.body[:BODY_BYTES], secrets),
                size=len(request.body),
                reason=None if reason is None else plain(without(reason, secrets), LONGEST_REASON),
                source=source.name if source is not None else None,
                event=plain(self.event),
                delivery_id=plain(delivery_id),
                session_id=accepted.session_id if accepted is not None else None,
                interaction_id=accepted.id if accepted is not None else None,
            )
        )
