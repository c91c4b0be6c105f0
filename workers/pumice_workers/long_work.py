"""What worker processes bring on beside turns: replays, operations on many sessions, and schedules that are due."""

from pumice.agents.conditions import read_index
from pumice.agents.states import Kind
from pumice.logs import get_logger
from pumice.messaging.events import Event, Reply
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.engine import make_engine
from pumice.sessions.operation_actions import Did
from pumice.sessions.operation_steps import LOCK_WAIT, Operated, Operator
from pumice.sessions.replay_steps import Replayed
from pumice.sessions.replay_steps import step as replay
from pumice.sessions.schedule_steps import fire_due
from pumice_workers.index_maker import IndexMaker
from pumice_workers.services import Services
from pumice_workers.step_loop import BUSY, StepLoop

log = get_logger("pumice.schedules")

LOOK = 0.5
"""Seconds after which schedules are looked at at the latest: a turn elsewhere may have made one that is due sooner."""


def long_work(services: Services) -> tuple[StepLoop, ...]:
    """The loops of a worker process, not started yet.

    Operations are for the stable workers: a canary's code must not migrate the states that stable code loads.
    """
    always = _replays(services), _indexes(services), _releases(services), _schedules(services)
    return always if services.settings.release else (*always, _operations(services))


def _replays(services: Services) -> StepLoop:
    agents = {one: Replayed(tuple(spec.cls.replay_ignore)) for one, spec in services.registry.items()}

    def step(store: StoreConnection) -> bool:
        done = replay(store, agents)
        if done is not None and done.session_id is not None:
            services.wakes.wake([Wake("jobs", done.agent_id, done.session_id)])  # where jobs are: chats go first
        return done is not None

    return StepLoop("replay", StoreConnection(services.settings), step)


def _indexes(services: Services) -> StepLoop:
    fields = {
        agent_id: [read_index(spec.cls.State, field, "indexes") for field in spec.cls.indexes]
        for agent_id, spec in services.registry.items()
        if spec.cls.indexes
    }
    return StepLoop("indexes", StoreConnection(services.settings), IndexMaker(services.settings, fields).step)


def _releases(services: Services) -> StepLoop:
    return services.releases.loop(StoreConnection(services.settings))


def _schedules(services: Services) -> StepLoop:
    agents = list(services.registry)

    def step(store: StoreConnection) -> float:
        fired = fire_due(store, agents)
        services.wakes.wake(Wake.of(agent_id, session_id, Kind.CALL) for agent_id, session_id in fired.sessions)
        for agent_id, session_id, key, error in fired.paused:
            log.warning("schedule_paused", agent=agent_id, session=session_id, key=key, error=error)
        return BUSY if fired.is_more else min(max(fired.wait, 0.0), LOOK)

    return StepLoop("schedules", StoreConnection(services.settings), step)


def _operations(services: Services) -> StepLoop:
    agents = {one: Operated(spec.cls, spec.methods["reply"].policy.timeout) for one, spec in services.registry.items()}
    engine = make_engine(services.settings)
    store = StoreConnection(services.settings, lock_wait=LOCK_WAIT)

    def tell(agent_id: str, session_id: str, did: Did) -> None:
        for one, front_id in did.closed:
            services.events.publish(*(Event.of(agent_id, session_id, event) for event in one.events()))
            if front_id is not None:
                services.events.publish(Reply(front_id, one))
        if did.wakes:
            services.wakes.wake([Wake("jobs", agent_id, session_id)])

    operator = Operator(store, engine, agents, tell)
    return StepLoop("operations", store, lambda _: operator.step())
