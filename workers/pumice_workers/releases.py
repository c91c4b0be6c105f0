"""Which release runs a session, as a worker process sees it: it looks at the canaries once a second."""

from collections.abc import Mapping
from datetime import datetime

from pumice.agents.releases import REPLAY_AT, STABLE, Share
from pumice.sessions import canaries
from pumice.sessions.connections import StoreConnection
from pumice_workers.step_loop import StepLoop


class Releases:
    """The shares of all canaries whose workers are there."""

    def __init__(self, own: str) -> None:
        """`own`: the release of this process."""
        self.own = own
        self.looked_at: datetime | None = None
        self._shares: Mapping[str, Share] | None = None

    def of(self, agent_id: str, session_id: str) -> str:
        """The release that runs a session. A canary whose workers are all gone gets none: the stable ones run them."""
        if session_id.startswith(REPLAY_AT):
            return session_id[len(REPLAY_AT) :].partition(":")[0]
        if self._shares is None:  # nobody has looked yet
            return self.own
        share = self._shares.get(agent_id)
        return share.release if share is not None and share.has(session_id) else STABLE

    def look(self, store: StoreConnection) -> bool:
        """Look at the canaries. Never asks to be called again at once."""
        looked_at, found = canaries.look(store)
        self._shares = {one.agent_id: Share(one.release, one.share) for one in found if one.workers}
        self.looked_at = looked_at
        return False

    def loop(self, store: StoreConnection) -> StepLoop:
        """What keeps them up to date."""
        return StepLoop("releases", store, self.look)
