"""Celery's prefork pool: each child is a process with one turn at a time."""

import os
import signal
import time

import psutil
import pytest

from tests.deploy.journey import try_everything
from tests.support.waiting import wait_until

pytestmark = pytest.mark.deploy
PREFORK = {"WORKER_POOL": "prefork", "WORKER_CONCURRENCY": "2"}


def test_everything_works_and_sigterm_waits_for_turns(deploy, gates):
    with deploy(**PREFORK, SHUTDOWN_TIMEOUT="20") as stack:
        desk, worker = stack.agent("desk"), stack.shared["worker"]
        try_everything(desk)
        desk.hook("later", json={"session": "last", "note": "last", "gate": "last"})
        wait_until(lambda: gates.attempts("last"), 20, "the handler")
        worker.send(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in worker.output, 20, "that it stops")
        gates.open("last")
        assert worker.wait_ended(20) == 0
        assert desk.state("last")["notes"] == ["last"]
        assert len(gates.attempts("last")) == 1


def test_sigterm_ends_it_in_time_although_a_turn_goes_on(deploy, gates):
    """What has not ended after SHUTDOWN_TIMEOUT runs again in another worker, at once."""
    with deploy(**PREFORK, SHUTDOWN_TIMEOUT="2") as stack:
        desk, worker = stack.agent("desk"), stack.shared["worker"]
        desk.hook("later", json={"session": "long", "note": "long", "gate": "long"})
        (pid,) = wait_until(lambda: gates.attempts("long"), 20, "the handler")
        begun = time.monotonic()
        worker.send(signal.SIGTERM)
        worker.wait_ended(30)
        assert time.monotonic() - begun < 12
        assert not psutil.pid_exists(pid)
        with stack.worker():
            gates.open("long")
            wait_until(lambda: desk.state("long")["notes"] == ["long"], 5, "the note")


def test_a_stuck_turns_child_is_replaced(deploy, gates):
    with deploy(**PREFORK) as stack:
        desk, worker = stack.agent("desk"), psutil.Process(stack.shared["worker"].pid)
        accepted = desk.hook("stuck", json={"session": "stuck", "gate": "stuck"}).json()
        (pid,) = wait_until(lambda: gates.attempts("stuck"), 20)
        document = desk.finished(accepted["interactionId"])
        assert (document["status"], document["error"]["code"]) == ("failed", "timeout")
        wait_until(lambda: not psutil.pid_exists(pid), 20, "the end of the stuck child")
        wait_until(lambda: len(worker.children()) == 2, 20, "another child in its place")
        assert desk.hook("note", json={"session": "stuck", "note": "after"}).json()["notes"] == 1


def test_a_killed_childs_turn_runs_again(deploy, gates):
    with deploy(**PREFORK) as stack:
        desk = stack.agent("desk")
        desk.hook("later", json={"session": "killed", "note": "once", "gate": "killed"})
        (pid,) = wait_until(lambda: gates.attempts("killed"), 20)
        os.kill(pid, signal.SIGKILL)
        gates.open("killed")
        wait_until(lambda: len(gates.attempts("killed")) == 2, 30, "a second attempt")
        wait_until(lambda: desk.state("killed")["notes"] == ["once"], 20, "the note")
