"""The workloads, in the order in which they run and are printed."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.workloads.chat import chat, loaded_chat, long_session
from tests.bench.workloads.hooks import accept, burst, hotkey
from tests.bench.workloads.jobs import fanout
from tests.bench.workloads.sockets import audience, sockets
from tests.bench.workloads.streams import streams
from tests.bench.workloads.waiting import slow_async, slow_sync
from tests.bench.workloads.weight import bloat, history, state_size


@dataclass(frozen=True)
class Workload:
    """One thing to measure: the processes that it needs, and how many workers when that is part of it.

    `run` gets the stage of one contender, or those of all as arguments where they run `at_once`.
    """

    name: str
    run: Callable[..., None]
    roles: tuple[str, ...] = ("front", "worker")
    workers: int | None = None
    repeated: bool = True
    at_once: bool = False


WORKLOADS = (
    Workload("accept", accept, roles=("front",)),
    Workload("burst", burst),
    Workload("hotkey", hotkey),
    Workload("chat", chat, at_once=True),
    Workload("loaded", loaded_chat),
    Workload("fanout", fanout),
    Workload("slow-async", slow_async, workers=1),
    Workload("slow-sync", slow_sync, workers=1),
    Workload("sockets", sockets),
    Workload("audience", audience),
    Workload("streams", streams),
    Workload("state", state_size),
    Workload("long", long_session),
    Workload("history", history),
    Workload("bloat", bloat, repeated=False),
)
