"""The parts of a front process, made once and handed to every blueprint."""

from dataclasses import dataclass

from sqlalchemy import Engine

from pumice.agents.context import new_id
from pumice.agents.names import AGENT_ID
from pumice.agents.registry import Registry, load_agents
from pumice.agents.spec import AgentSpec
from pumice.errors import UnknownAgent
from pumice.logs import Outage, get_logger
from pumice.sessions.connections import StoreConnections
from pumice.sessions.engine import READ_LIMIT, make_engine
from pumice.settings import Settings
from pumice.web.http.auth import KeyCache
from pumice.web.http.backlog import Backlog
from pumice.web.http.delivery_log import DeliveryLog
from pumice.web.http.handed_secrets import HandedSecrets
from pumice.web.http.intake import Intake
from pumice.web.http.later import Later
from pumice.web.http.new_sessions import NewSessions
from pumice.web.http.open_streams import OpenStreams
from pumice.web.http.subscriber import Subscriber
from pumice.web.http.waiting import Waiters
from pumice.web.http.watchdog import Watchdog
from pumice.web.http.writes import Writes

STORE_CONNECTIONS = 4
LOCK_WAIT = 1.0
"""Seconds that a request waits for a session that somebody else holds; it keeps one of the connections meanwhile."""
LATE = 0.3
"""Seconds that the events of a finished interaction may lag behind its reply before they are made up from it."""


@dataclass(frozen=True, slots=True)
class Front:
    """What a request may use."""

    settings: Settings
    registry: Registry
    engine: Engine
    connections: StoreConnections
    intake: Intake
    keys: KeyCache
    new_sessions: NewSessions
    replies: Waiters
    subscriber: Subscriber
    streams: OpenStreams
    backlog: Backlog
    writes: Writes
    late: Later
    watchdog: Watchdog
    deliveries: DeliveryLog
    handed_secrets: HandedSecrets
    front_id: str
    store_away: Outage

    def agent(self, agent_id: str) -> AgentSpec:
        """The agent of this id. Raises `UnknownAgent`."""
        spec = self.registry.get(agent_id) if AGENT_ID.fullmatch(agent_id) else None
        if spec is None:
            raise UnknownAgent(f"There is no agent {agent_id[:63]!r} here.")
        return spec


def make_front(settings: Settings) -> Front:
    """Make a process's parts; connections are opened when they are first used."""
    front_id = new_id()
    subscriber: Subscriber

    def is_live() -> bool:
        return subscriber.live

    replies = Waiters(settings, is_live)
    subscriber = Subscriber(settings, front_id, replies.deliver)
    store_away = Outage(get_logger("pumice.web"), "postgres")
    connections = StoreConnections(settings, STORE_CONNECTIONS, lock_wait=LOCK_WAIT)
    return Front(
        settings=settings,
        registry=load_agents(settings.agents),
        engine=make_engine(settings, limit=READ_LIMIT),
        connections=connections,
        intake=Intake(settings, store_away),
        keys=KeyCache(settings, connections),
        new_sessions=NewSessions(settings, connections),
        replies=replies,
        subscriber=subscriber,
        streams=OpenStreams(settings),
        backlog=Backlog(settings),
        writes=Writes(settings.write_timeout),
        late=Later(LATE),
        watchdog=Watchdog((subscriber.heart, replies.heart)),
        deliveries=DeliveryLog(settings),
        handed_secrets=HandedSecrets(connections),
        front_id=front_id,
        store_away=store_away,
    )
