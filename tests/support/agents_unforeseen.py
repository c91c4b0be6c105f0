"""Agents whose worker meets, once for each such hook, a failure of its own that nobody foresaw.

No author's code can bring one about: what handlers raise ends at their turn. So the runner's own steps fail here.
"""

from collections.abc import Callable
from typing import Any

from pumice import Agent, hook, query
from pumice_workers.session_run import SessionRun
from pumice_workers.waiting_sessions import WaitingSessions
from tests.support.gates import pass_gate, pass_gate_async

failed: set[str] = set()


def fail_once(name: str, run: SessionRun) -> None:
    """Raise if the run's first interaction is a hook of that name and has not met a failure yet."""
    work = run.claimed.work[0]
    if work.name == name and work.id not in failed:
        failed.add(work.id)
        raise RuntimeError("nobody foresaw this")


def failing_first(name: str, step: Callable[..., Any], run_of: Callable[[Any], SessionRun | None]) -> Any:
    """A step of the runner that fails at first for hooks of that name."""

    def attempt(of: Any, *args: Any, **options: Any) -> Any:
        run = run_of(of)
        if run is not None:
            fail_once(name, run)
        return step(of, *args, **options)

    return attempt


SessionRun.start = failing_first("start", SessionRun.start, lambda run: run)  # type: ignore[method-assign]
WaitingSessions.take = failing_first(  # type: ignore[method-assign]
    "take", WaitingSessions.take, lambda batch: next(iter(batch.waiting), None)
)


class OnThreads(Agent):
    """Runs on the worker's threads."""

    @hook("start", session=query("session"))
    def start(self, request):
        """Its turn's start fails once."""

    @hook("take", session=query("session"))
    def take(self, request):
        """The thread that comes for it fails once."""

    @hook("fine", session=query("session"))
    def fine(self, request):
        """Nothing fails."""

    @hook("wait", session=query("session"))
    def wait(self, request):
        """Wait at a gate."""
        pass_gate(request.query["gate"])

    def reply(self, messages):
        return "ok"


class OnLoop(Agent):
    """Runs on the worker's event loop."""

    @hook("start", session=query("session"))
    async def start(self, request):
        """Its turn's start fails once."""

    @hook("wait", session=query("session"))
    async def wait(self, request):
        """Wait at a gate."""
        await pass_gate_async(request.query["gate"])

    async def reply(self, messages):
        return "ok"
