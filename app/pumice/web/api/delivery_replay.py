"""Having deliveries run again: each becomes a new interaction, for the hook and session that today's code chooses."""

from typing import Any

from pumice.agents.context import new_id
from pumice.agents.deliveries import hook_payload, select_session
from pumice.agents.hook_groups import hook_for
from pumice.agents.requests import Request, query_pairs
from pumice.agents.spec import AgentSpec
from pumice.errors import Conflict, Problem
from pumice.sessions.accept import NewInteraction, temporary_session_id
from pumice.sessions.deliveries import Delivery, Wanted, list_deliveries, read_delivery
from pumice.web.http.author_code import AuthorCode
from pumice.web.http.front import Front

AT_ONCE = 200
"""Deliveries that one request has run again."""
REPLAYABLE = ("accepted", "repeated", "filtered")


class Replayer:
    """Replays deliveries for a front process."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._call = AuthorCode()

    def replay(self, spec: AgentSpec, one: Delivery) -> dict[str, Any]:
        """Run a delivery again. Returns its new interaction and session.

        Raises `Conflict` for one that can't be, and whatever accepting raises.
        """
        if one.status not in REPLAYABLE:
            raise Conflict(f"A delivery that is {one.status} can't be replayed.")
        if one.size != len(one.body or b""):
            raise Conflict(f"Only the first {len(one.body or b'')} of its {one.size} bytes were kept.")
        request = _request(one)
        hook = hook_for([hook for hook in spec.addresses.get(one.hook, ()) if one.method in hook.methods], one.event)
        if hook is None:
            raise Conflict(f"No method of the agent takes {one.event or 'it'} at the hook {one.hook}.")
        selected = select_session(hook, request, self._call)
        new = NewInteraction(
            id=new_id(),
            agent_id=spec.id,
            session_id=selected or temporary_session_id(),
            kind="hook",
            name=hook.name,
            payload=hook_payload(hook, request, selected, one.id),
            body=request.body or None,
            unnamed=selected is None,
            temporary=selected is None,
        )
        accepted = self._front.intake.accept(spec, new)
        self._front.deliveries.count(spec.id, one.hook, one.event, "replayed")
        return {"interactionId": accepted.id, "sessionId": accepted.session_id, "replayedFrom": one.id}

    def replay_page(self, spec: AgentSpec, wanted: Wanted, cursor: str | None) -> dict[str, Any]:
        """Run deliveries again, newest first, each once; those that can't be are counted and left out.

        A replay is a delivery too, and is left out. Returns what was made, and a cursor where there is more.
        """
        with self._front.connections.borrow() as store:
            found, following = list_deliveries(store, wanted, before=cursor, limit=AT_ONCE)
            full = [read_delivery(store, spec.id, one.id) for one in found if _may(one)]
        replayed, problems = [], []
        for one in full:
            if one is None:
                continue
            try:
                replayed.append(self.replay(spec, one))
            except Problem as problem:
                problems.append({"id": one.id, "detail": problem.detail})
        left_out = len(found) - len(replayed) - len(problems)
        return {"replayed": replayed, "problems": problems, "leftOut": left_out, "nextCursor": following}


def _may(one: Delivery) -> bool:
    return one.status in REPLAYABLE and one.replayed_from is None


def _request(one: Delivery) -> Request:
    payload = {
        "method": one.method,
        "path": one.path,
        "query": query_pairs(one.path),
        "headers": [list(pair) for pair in one.headers],
    }
    found = {"event": one.event, "deliveryId": one.delivery_id, "source": one.source}
    return Request.decode(payload | {name: value for name, value in found.items() if value}, one.body or b"")
