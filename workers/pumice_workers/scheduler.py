"""Which sessions a worker's threads run next, so that no agent waits for another's flood or for its hanging handlers.

Wakes come in from the broker as fast as it gives them, and wait here, by queue and agent:
- chats go first, but every few turns something else has its chance;
- agents take turns, whatever each of them has waiting;
- a thread that is stuck (`STUCK` seconds in one turn) does not count as one of the worker's `concurrency`: another one
  starts in its place, up to `limit` threads in all. A turn that was abandoned never gives its thread back: it is lost;
- an agent may hold as many threads as are still free and no more (Choudhury and Hahne, "Dynamic queue length
  thresholds", 1998): one that hangs leaves half of them, two leave a third. The same goes for places on the loop;
- an agent that runs nothing has its chat started at once, on a thread beyond `concurrency` if need be.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pumice.logs import get_logger
from pumice.settings import QUEUES

STUCK = 0.2
"""Seconds in one turn after which a thread counts as stuck."""
IDLE = 5.0
"""Seconds after which a thread beyond the worker's concurrency ends if there is nothing to do."""
CHAT, HOOKS, JOBS = QUEUES
ORDERS = (*[QUEUES] * 3, (HOOKS, JOBS, CHAT), *[QUEUES] * 3, (JOBS, HOOKS, CHAT))
"""The order in which the queues are looked at, take after take."""
BUDGET = 0.1
"""Seconds for which a thread takes sessions at a time."""

Key = tuple[str, str]
log = get_logger("pumice.turns")


@dataclass(slots=True, eq=False)
class Slot:
    """One thread at work: for which agent, and since when it is in its turn, by `time.monotonic`."""

    agent_id: str = ""
    since: float = 0.0
    stuck: bool = False
    lost: bool = False


@dataclass(slots=True)
class _Queue:
    """What waits in one queue: each agent's wakes, and the agents in the order of their turns."""

    wakes: dict[str, deque[list[Key]]] = field(default_factory=dict)
    turns: deque[str] = field(default_factory=deque)
    known: set[Key] = field(default_factory=set)

    def put(self, agent_id: str, keys: list[Key]) -> None:
        """Add a wake of one agent's sessions, but for those that wait already."""
        new = [key for key in keys if key not in self.known]
        if not new:
            return
        self.known.update(new)
        if agent_id not in self.wakes:
            self.wakes[agent_id] = deque()
            self.turns.append(agent_id)
        self.wakes[agent_id].append(new)

    def take(self, agent_id: str, most: int) -> list[Key]:
        """Take up to so many sessions of an agent's next wake; its next turn comes after the others'."""
        waiting = self.wakes[agent_id]
        wake = waiting.popleft()
        taken, rest = wake[:most], wake[most:]
        if rest:
            waiting.appendleft(rest)
        self.turns.remove(agent_id)
        if waiting:
            self.turns.append(agent_id)
        else:
            del self.wakes[agent_id]
        self.known.difference_update(taken)
        return taken

    def take_out(self, agents: Iterable[str]) -> list[Key]:
        """Take everything of these agents."""
        taken = [key for agent_id in agents for wake in self.wakes.pop(agent_id, ()) for key in wake]
        self.turns = deque(agent_id for agent_id in self.turns if agent_id in self.wakes)
        self.known.difference_update(taken)
        return taken


class Scheduler:
    """Wakes that wait, and the threads that run them. Safe for threads."""

    def __init__(
        self, concurrency: int, run: Callable[[str, list[Key]], None], room: Callable[[str], int], limit: int = 0
    ) -> None:
        """Make one; threads start when there is work.

        run: runs an agent's sessions, given with their queue, on the calling thread; it must not raise. room: how many
        of an agent's sessions may begin now. limit: threads at the most, lost ones aside; four times `concurrency` and
        at least 64 unless given.
        """
        self.concurrency = concurrency
        self.limit = limit or max(64, 4 * concurrency)
        self.lost = 0
        self.lost_ever = 0
        self._run = run
        self._room = room
        self._queues = {name: _Queue() for name in QUEUES}
        self._slots: set[Slot] = set()
        self._held: Counter[str] = Counter()
        self._idle = 0
        self._waiters = 0
        self._notified = 0
        self._takes = 0
        self._stopping = False
        self._pace: dict[str, float] = {}
        self._changed = threading.Condition()
        self._mine = threading.local()

    def put(self, queue: str, keys: Iterable[Sequence[str]]) -> None:
        """Have these sessions run, given as `(agent_id, session_id)`."""
        by_agent: dict[str, list[Key]] = {}
        for agent_id, session_id in keys:
            by_agent.setdefault(agent_id, []).append((agent_id, session_id))
        with self._changed:
            for agent_id, some in by_agent.items():
                self._queues[queue].put(agent_id, some)
            self._staff()

    def waiting(self, queue: str) -> int:
        """How many sessions wait in a queue."""
        return len(self._queues[queue].known)

    @property
    def is_contended(self) -> bool:
        """Whether something waits that another thread can't start at once: whoever runs long had better give way."""
        return any(queue.turns for queue in self._queues.values())

    def touch(self) -> Slot | None:
        """Note that a turn starts on the calling thread. Returns its slot; None for a thread that is not ours."""
        slot: Slot | None = getattr(self._mine, "slot", None)
        if slot is not None:
            slot.since, slot.stuck = time.monotonic(), False
        return slot

    def look(self, now: float) -> None:
        """Find the threads that are stuck at `now`, and start others in their place if something waits."""
        with self._changed:
            for slot in self._slots:
                slot.stuck = slot.stuck or now - slot.since > STUCK
            self._staff()

    def lose(self, slot: Slot) -> None:
        """Give up a thread whose turn was abandoned: another takes its place. Should it come back, it ends."""
        with self._changed:
            if slot not in self._slots:
                return
            slot.lost = True
            self._leave(slot)
            self.lost += 1
            self.lost_ever += 1
            log.warning("thread_lost", agent=slot.agent_id, lost=self.lost)
            self._staff()

    def measured(self, agent_id: str, sessions: int, seconds: float) -> None:
        """Learn how long an agent's sessions take: the slower they are, the fewer a thread takes at a time."""
        pace = seconds / sessions
        self._pace[agent_id] = pace if agent_id not in self._pace else (3 * self._pace[agent_id] + pace) / 4

    def freed(self) -> None:
        """Note that an agent may have room again."""
        with self._changed:
            self._staff()

    def take_out(self, agents: Iterable[str]) -> dict[str, list[Key]]:
        """Take what waits of these agents out, by queue, for other workers."""
        with self._changed:
            return {name: queue.take_out(agents) for name, queue in self._queues.items()}

    def stop(self) -> list[Key]:
        """Start nothing more. Returns what waited."""
        with self._changed:
            self._stopping = True
            left = [key for queue in self._queues.values() for key in queue.known]
            self._queues = {name: _Queue() for name in QUEUES}
            self._changed.notify_all()
        return left

    def _staff(self) -> None:
        """See that a thread comes for what may start now. One that takes something calls this again."""
        if self._idle > self._waiters or self._choose() is None:
            return  # somebody is on the way, or nobody is needed
        if self._waiters > self._notified:
            self._notified += 1
            self._changed.notify()
        elif len(self._slots) + self._idle < self.limit:
            self._idle += 1
            threading.Thread(target=self._work, name="pumice-turns", daemon=True).start()
        elif self._waiters:
            self._changed.notify()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            slot, queue, keys = taken
            self._mine.slot = slot
            try:
                self._run(queue, keys)
            except BaseException:
                log.exception("wake_failed", sessions=len(keys))
            with self._changed:
                if slot.lost:
                    self.lost -= 1
                    return
                self._leave(slot)
                self._idle += 1

    def _take(self) -> tuple[Slot, str, list[Key]] | None:
        """Wait for sessions to run, as an idle thread. Returns None when this thread is to end."""
        with self._changed:
            while (choice := self._choose()) is None:
                if not self._wait():
                    self._idle -= 1
                    return None
            queue, agent_id, most = choice
            keys = self._queues[queue].take(agent_id, most)
            slot = Slot(agent_id, time.monotonic())
            self._slots.add(slot)
            self._held[agent_id] += 1
            self._idle -= 1
            self._takes += 1
            self._staff()
            return slot, queue, keys

    def _wait(self) -> bool:
        """Wait for work. Returns false when this thread is to end: the process stops, or there are more than enough."""
        if self._stopping:
            return False
        extra = len(self._slots) + self._idle > self.concurrency
        self._waiters += 1
        told = self._changed.wait(IDLE if extra else None)
        self._waiters -= 1
        self._notified = min(max(self._notified - told, 0), self._waiters)
        return told or not extra

    def _leave(self, slot: Slot) -> None:
        self._slots.discard(slot)
        self._held[slot.agent_id] -= 1
        if not self._held[slot.agent_id]:
            del self._held[slot.agent_id]

    def _choose(self) -> tuple[str, str, int] | None:
        """The queue and the agent whose turn it is, and how many of its sessions to take; None when none may start."""
        free = self.limit - len(self._slots)
        if free <= 0:
            return None
        crowded = sum(not slot.stuck for slot in self._slots) >= self.concurrency
        for name in ORDERS[self._takes % len(ORDERS)]:
            for agent_id in self._queues[name].turns:
                held = self._held[agent_id]
                if held >= free or (crowded and (held or name != CHAT)):
                    continue
                if (room := self._room(agent_id)) > 0:
                    return name, agent_id, min(room, self._most(agent_id))
        return None

    def _most(self, agent_id: str) -> int:
        """How many of an agent's sessions a thread runs within its budget."""
        return max(1, int(BUDGET / max(self._pace.get(agent_id, 0.0), 1e-4)))
