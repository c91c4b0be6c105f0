"""Spreads one load over processes, so that the loader is not what a run measures."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from tests.bench.loader.http import Load, Outcome, drive

CONNECTIONS_A_PROCESS = 512
_FORK = multiprocessing.get_context("fork")


def run_load(load: Load) -> Outcome:
    """Run `load` in processes of its own and return what came back to all of them.

    Raises OSError when one of them could not connect.
    """
    return run_loads([load])


def run_loads(loads: Sequence[Load]) -> Outcome:
    """Do what `run_load` does with several loads at once, in processes of their own."""
    running = [_start(share) for load in loads for share in _shares(load)]
    outcome = Outcome()
    for process, results in running:
        part = results.recv()
        process.join()
        if isinstance(part, OSError):
            raise part
        _merge(outcome, part)
    return outcome


@contextmanager
def background_load(load: Load) -> Iterator[None]:
    """Keep `load` running in one process during the block, and end it unfinished afterwards."""
    process, results = _start(load)
    try:
        yield
        if results.poll():
            raise RuntimeError("the background load ended before what it was to disturb")
    finally:
        process.kill()
        process.join()


def _shares(load: Load) -> list[Load]:
    processes = -(-load.connections // CONNECTIONS_A_PROCESS)
    return [_share(load, index, processes) for index in range(processes)]


def _share(load: Load, index: int, processes: int) -> Load:
    return replace(
        load,
        requests=load.requests[index::processes],
        connections=len(range(index, load.connections, processes)),
        rate=None if load.rate is None else load.rate / processes,
    )


def _start(load: Load) -> tuple[BaseProcess, Connection]:
    results, child = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_drive_and_report, args=(load, child), daemon=True)
    process.start()
    child.close()
    return process, results


def _drive_and_report(load: Load, results: Connection) -> None:
    try:
        results.send(drive(load))
    except OSError as error:
        results.send(error)


def _merge(total: Outcome, part: Outcome) -> None:
    total.started = min(total.started or part.started, part.started)
    total.finished = max(total.finished, part.finished)
    total.statuses += part.statuses
    total.latencies += part.latencies
    total.bodies += part.bodies
    total.cpu += part.cpu
    total.busiest = max(total.busiest, part.cpu)
