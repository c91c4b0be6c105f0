"""One contender running, with everything that a workload does to it: load it, wait for it, measure it, check it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.bench.contenders.contender import Contender
from tests.bench.loader.http import Load, Outcome
from tests.bench.loader.pool import run_loads
from tests.bench.stack.usage import Meter, Usage
from tests.bench.verify.postgres import PostgresTruth
from tests.bench.verify.truth import Truth

WARM_HOOKS = 400
WARM_CHATS = 40
STUCK = 60.0


@dataclass(frozen=True)
class Options:
    """How much load, and how many processes of each kind, for every contender alike."""

    scale: float = 1.0
    fronts: int = 1
    workers: int = 2


@dataclass
class Sample:
    """What one run of one workload showed: numbers, who was saturated when, and what was wrong."""

    values: dict[str, float] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Stage:
    """A started and warmed-up contender whose store is empty."""

    def __init__(self, contender: Contender, options: Options, truth: Truth | None) -> None:
        self.contender = contender
        self.options = options
        self.sample = Sample()
        self._truth = truth

    @property
    def truth(self) -> Truth:
        """What the contender has stored; echo stores nothing."""
        if self._truth is None:
            raise RuntimeError(f"{self.contender.name} stores nothing")
        return self._truth

    @property
    def tables(self) -> PostgresTruth:
        """The same for workloads that ask what only tables answer."""
        if not isinstance(self.truth, PostgresTruth):
            raise TypeError(f"{self.contender.name} has no tables in Postgres")
        return self.truth

    @property
    def stores(self) -> bool:
        """Whether the contender keeps anything to be checked."""
        return self._truth is not None

    def count(self, full: int, *, paced: bool = False) -> int:
        """Scale a count; a paced one shrinks further for a slow contender, whose rate needs fewer to show."""
        return max(10, round(full * self.options.scale * (self.contender.pace if paced else 1.0)))

    def load(self, requests: Sequence[bytes], connections: int, *, keep_bodies: bool = False) -> Outcome:
        """Send `requests` as fast as they are answered; whatever is not answered with 2xx is a problem.

        Where fronts have addresses of their own, each gets an equal share in a row, over so many connections, all at
        once: events of one session then come through all of them.
        """
        fronts, size = self.contender.addresses, len(requests)
        shares = [slice(size * n // len(fronts), size * (n + 1) // len(fronts)) for n in range(len(fronts))]
        outcome = run_loads(
            [
                Load(front, requests[share], connections, keep_bodies=keep_bodies)
                for front, share in zip(fronts, shares, strict=True)
            ]
        )
        if outcome.succeeded != len(requests):
            self.problem(f"{len(requests)} requests sent, statuses {dict(outcome.statuses)}")
        return outcome

    @contextmanager
    def measured(self, name: str, *, at_once: bool = False) -> Iterator["Window"]:
        """Charge CPU during the block, also that of loads started from the window it yields.

        Unless it must start `at_once`, the store first writes out what earlier work left. Blocks of one name count as
        one window.
        """
        if self.stores and not at_once:
            self.truth.checkpoint()
        window = Window(self)
        yield window
        window.close()
        before = self.sample.usage.get(name)
        self.sample.usage[name] = before.followed_by(window.usage) if before else window.usage
        self.contender.require_alive()

    def record(self, metric: str, value: float) -> None:
        """Keep one number."""
        self.sample.values[metric] = value

    def problem(self, text: str) -> None:
        """Keep one thing that is wrong."""
        self.sample.problems.append(f"{self.contender.name}: {text}")

    def settle(self, total: int) -> float:
        """Wait until each of `total` interactions is done and return that moment on the monotonic clock."""
        return self.wait_until_none(lambda: self.truth.unfinished(total), total)

    def wait_until_none(self, left: Callable[[], int], total: int) -> float:
        """Ask ever more often as the end comes near; give up, as a problem, when there was no progress for a minute."""
        started = progressed = time.monotonic()
        least = total
        while remaining := left():
            now = time.monotonic()
            if remaining < least:
                least, progressed = remaining, now
            elif now - progressed > STUCK:
                self.problem(f"{remaining} of {total} are left without progress for {STUCK:.0f} s")
                break
            speed = max(1.0, (total - remaining) / max(now - started, 0.001))
            time.sleep(min(0.25, max(0.01, remaining / speed / 4)))
        return time.monotonic()

    def check_events(self, accepted: int) -> None:
        """Record as problems whatever was lost, done twice or failed among the accepted webhook events."""
        for text in self.truth.problems_with_events(accepted):
            self.problem(text)

    def pause_workers(self) -> None:
        """Stop the workers where they stand, so that work piles up."""
        for process in self.contender.running["worker"]:
            process.pause()

    def resume_workers(self) -> None:
        """Let the workers at what has piled up."""
        for process in self.contender.running["worker"]:
            process.resume()


class Window:
    """A measured stretch of time; `usage` is there when it has ended."""

    usage: Usage

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._outcomes: list[Outcome] = []
        self._meter = Meter(stage.contender.pids())

    def load(self, requests: Sequence[bytes], connections: int, *, keep_bodies: bool = False) -> Outcome:
        """Do what `Stage.load` does, and charge the loader's CPU to this window."""
        outcome = self.stage.load(requests, connections, keep_bodies=keep_bodies)
        self._outcomes.append(outcome)
        return outcome

    def cost(self, count: int) -> float:
        """Return the CPU milliseconds that the contender and the servers spent on each of `count` things."""
        return self.usage.cost(count)

    def close(self) -> None:
        """Read the clocks."""
        self.usage = self._meter.read()
        for outcome in self._outcomes:
            self.usage.add("loader", outcome.cpu, outcome.busiest)


@contextmanager
def on_stage(contender: Contender, options: Options, roles: Sequence[str]) -> Iterator[Stage]:
    """Start `roles` of `contender` on an empty store, warm them up, and stop everything after the block."""
    with contender.truth() as truth:
        try:
            contender.start(roles, options.fronts, options.workers)
            stage = Stage(contender, options, truth)
            _warm_up(stage, settle=stage.stores and "worker" in roles)
            if truth:
                truth.empty()
            yield stage
        except OSError:
            contender.require_alive()
            raise
        finally:
            contender.stop()


def _warm_up(stage: Stage, *, settle: bool) -> None:
    """Let every process open its connections and compile what it compiles."""
    contender = stage.contender
    stage.load([contender.hook({"session": f"w{n % 40}", "n": n}) for n in range(WARM_HOOKS)], 64)
    if settle:
        stage.settle(WARM_HOOKS)
        stage.load([contender.chat(f"w{n % 4}", ["hello"]) for n in range(WARM_CHATS)], 4)
