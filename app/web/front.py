"""The parts of a front process, made once and handed to every blueprint."""

from dataclasses import dataclass

from sqlalchemy import Engine

from app.agents.context import new_id
from app.agents.names import AGENT_ID
from app.agents.registry import Registry, load_agents
from app.agents.spec import AgentSpec
from app.errors import UnknownAgent
from app.sessions.engine import make_engine
from app.sessions.lanes import Lanes
from app.settings import Settings
from app.web.auth import Keys
from app.web.hub import Hub
from app.web.intake import Intake
from app.web.waiting import Replies

LANES = 8


@dataclass(frozen=True, slots=True)
class Front:
    """What a request may use."""

    settings: Settings
    registry: Registry
    engine: Engine
    lanes: Lanes
    intake: Intake
    keys: Keys
    replies: Replies
    hub: Hub
    front_id: str

    def agent(self, agent_id: str) -> AgentSpec:
        """The agent of this id. Raises `UnknownAgent`."""
        spec = self.registry.get(agent_id) if AGENT_ID.fullmatch(agent_id) else None
        if spec is None:
            raise UnknownAgent(f"There is no agent {agent_id[:63]!r} here.")
        return spec


def make_front(settings: Settings) -> Front:
    """Make a process's parts; connections are opened when they are first used."""
    front_id = new_id()
    hub: Hub

    def is_live() -> bool:
        return hub.live

    replies = Replies(settings, is_live)
    hub = Hub(settings, front_id, replies.deliver)
    lanes = Lanes(settings, LANES)
    return Front(
        settings=settings,
        registry=load_agents(settings.agents),
        engine=make_engine(settings),
        lanes=lanes,
        intake=Intake(settings, lanes),
        keys=Keys(settings, lanes),
        replies=replies,
        hub=hub,
        front_id=front_id,
    )
