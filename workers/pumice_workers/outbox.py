"""Sending outgoing events, on a thread of its own: it is no turn's business, and delays none.

The thread runs an event loop. Each round records what came of attempts, gives new events their deliveries, claims what
is due as far as there are places, and starts an attempt for each; then it waits until an attempt ends, a commit of this
process has events (`hint`), or a second is over. Other processes' events it finds at the latest then.

    claimed (its lease runs) → attempt (at most TIME_LIMIT) → ended → recorded

Statements run one at a time on a helper thread, so that none holds up an attempt. A kill at any place leaves leases
that run out; then another process sends again what was not recorded.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.outgoing.addresses import networks
from pumice.outgoing.attempt import Sender
from pumice.outgoing.sharing import full, share_out
from pumice.sessions.connections import StoreConnection
from pumice.sessions.outgoing_steps import BATCH, EACH, FIRST, Claimed, Recorded, claim, fan_out, ready, record, release
from pumice.settings import Settings

PLACES = 128
"""Attempts that one process makes at once."""
IDLE = 1.0
"""Seconds between two looks while nothing is due."""
AWAY = 1.0
LINGER = 0.01
"""Seconds that the first attempt that ends waits for others, to be recorded with them."""
GRACE = 4.0
"""Seconds that a stop waits for attempts; what has not ended by then is sent again by another process."""

log = get_logger("pumice.outgoing")
P = ParamSpec("P")
T = TypeVar("T")


class Outbox:
    """Sends what is due. `start` it in a process that takes the queue of outgoing events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = StoreConnection(settings)
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="pumice-outgoing-store")
        self._away = Outage(log, "outgoing_store")
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._by_agent: Counter[str] = Counter()
        self._ended: list[Recorded] = []
        self._after = FIRST
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moved = asyncio.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="pumice-outgoing", daemon=True)
        self._thread.start()

    def hint(self) -> None:
        """Have it look now: there are new events. Costs nothing, and does nothing where it was not started."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._moved.set)

    def end(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self.hint()

    def stop(self) -> None:
        """End, once attempts have had a little time; what is not recorded then is sent again."""
        self.end()
        if self._thread is not None:
            self._thread.join(GRACE + 1)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        sender = Sender(networks(self._settings.outgoing_private))
        while not self._stopping:
            self._moved.clear()
            wait = await self._round(sender)
            if wait:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._moved.wait(), wait)
                await asyncio.sleep(LINGER)
        await self._leave()
        self._store.close()

    async def _round(self, sender: Sender) -> float:
        """Do what is to be done now. Returns how many seconds to wait for what comes next."""
        try:
            await self._record()
            has_new = await self._beside(fan_out, self._store)
            has_due = await self._claim(sender)
            self._away.ends()
        except StoreAwayError as error:
            self._away.begins(error=error)
            return AWAY
        except Exception:
            log.exception("outgoing_failed")
            self._ended.clear()  # what can't be recorded must not keep the rest from it
            await self._beside(self._store.close)
            return AWAY
        return 0.0 if has_new or has_due else IDLE

    async def _record(self) -> None:
        """Record what has ended. What can't be recorded now is kept for the next time."""
        if not (done := self._ended[:]):
            return
        paused = await self._beside(record, self._store, done)
        del self._ended[: len(done)]
        for endpoint, reason in paused.items():
            log.warning("endpoint_paused", endpoint=endpoint, reason=reason)

    async def _claim(self, sender: Sender) -> bool:
        """Claim what there are places for, and start attempts. Returns whether there may be more."""
        free = PLACES - len(self._running)
        if free <= 0 or self._stopping:
            return False
        filled = full(self._by_agent, free)
        found = await self._beside(ready, self._store, after=self._after, full=filled)
        self._after = found[-1][0] if len(found) == BATCH else FIRST
        wanted = share_out(found, self._by_agent, free, each=EACH)
        claimed = await self._beside(claim, self._store, wanted) if wanted else []
        for one in claimed:
            task = asyncio.create_task(self._attempt(sender, one))
            self._running[task] = one
            self._by_agent[one.agent_id] += 1
            task.add_done_callback(self._done)
        return bool(claimed) or self._after != FIRST

    async def _attempt(self, sender: Sender, one: Claimed) -> None:
        recorded = await sender.attempt(one)
        self._ended.append(recorded)
        if not recorded.is_delivered:
            known = {"agent": one.agent_id, "endpoint": one.endpoint_id, "event": one.event_id}
            log.info("not_delivered", **known, attempt=one.attempts + 1, error=recorded.error)

    def _done(self, task: "asyncio.Task[None]") -> None:
        one = self._running.pop(task)
        self._by_agent[one.agent_id] -= 1
        if not self._by_agent[one.agent_id]:
            del self._by_agent[one.agent_id]
        self._moved.set()

    async def _beside(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function on the helper thread."""
        return await asyncio.get_running_loop().run_in_executor(self._helper, partial(function, *arguments, **options))

    async def _leave(self) -> None:
        """Give attempts a little time, record those that ended, and give the others' claims back.

        Statements run on this thread: when the process ends, Python takes no more work for helper threads.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)
        left = dict(self._running)
        for task in left:
            task.cancel()
        self._helper.shutdown()
        with suppress(StoreAwayError):
            if self._ended:
                record(self._store, self._ended)
            if left:
                release(self._store, list(left.values()))
