"""Making the indexes that agents declare, one agent after the other: one that fails keeps nobody from theirs."""

import time
from collections.abc import Mapping, Sequence

import psycopg

from pumice.agents.conditions import IndexedField
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.indexes import create_indexes, has_indexes
from pumice.settings import Settings

AGAIN = 60.0
"""Seconds after which an agent whose indexes could not be made is tried again; twice as many after each try."""
LONGEST = 3_600.0

log = get_logger("pumice.indexes")


class IndexMaker:
    """What is missing of the indexes of all agents of a worker process."""

    def __init__(self, settings: Settings, fields: Mapping[str, Sequence[IndexedField]]) -> None:
        """`fields`: what each agent declares."""
        self._settings = settings
        self._left = dict(fields)
        self._tried: dict[str, tuple[float, float]] = {}

    def step(self, store: StoreConnection) -> bool:
        """Make what is missing of the agents' indexes that are due. Returns whether there was something to do.

        Raises `StoreAwayError`.
        """
        done = False
        for agent_id, fields in list(self._left.items()):
            due, wait = self._tried.get(agent_id, (0.0, AGAIN))
            if time.monotonic() < due:
                continue
            if has_indexes(store, agent_id, fields):
                del self._left[agent_id]
                continue
            try:
                done |= bool(create_indexes(self._settings, agent_id, fields))
            except psycopg.Error as error:
                if agent_id not in self._tried:
                    log.warning("index_not_made", agent=agent_id, error=str(error))
                self._tried[agent_id] = time.monotonic() + wait, min(2 * wait, LONGEST)
        return done
