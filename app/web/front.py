"""The parts of a front process, made once and handed to every blueprint."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine

from app.agents.context import new_id
from app.agents.names import AGENT_ID
from app.agents.registry import Registry, load_agents
from app.agents.spec import AgentSpec
from app.errors import UnknownAgent
from app.sessions.lanes import Lanes
from app.settings import Settings
from app.wakes import WakePublisher
from app.web.acceptor import Acceptor
from app.web.auth import Keys
from app.web.hub import Hub
from app.web.waiting import Replies

KEY_LANES = 4


@dataclass(frozen=True, slots=True)
class Front:
    """What a request may use."""

    settings: Settings
    registry: Registry
    engine: Engine
    acceptor: Acceptor
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
    return Front(
        settings=settings,
        registry=load_agents(settings.agents),
        engine=make_engine(settings),
        acceptor=Acceptor(settings, WakePublisher(settings)),
        keys=Keys(settings, Lanes(settings, KEY_LANES)),
        replies=replies,
        hub=hub,
        front_id=front_id,
    )


def make_engine(settings: Settings) -> Engine:
    """The SQLAlchemy engine for all that is not on the hot path."""
    arguments: dict[str, Any] = {"connect_timeout": 5, "application_name": "pumice"}
    if settings.database_pooled:
        arguments["prepare_threshold"] = None
    url = settings.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(url, pool_size=5, max_overflow=5, pool_timeout=5, pool_pre_ping=True, connect_args=arguments)
