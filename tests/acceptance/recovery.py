"""How long until all work is done after a process was killed: `python -m tests.acceptance.recovery --repeat 20`.

Each time, chats are accepted whose handler takes 0.2 s, a process of a running `pumice dev` is killed with SIGKILL
while they run, and the supervisor starts it again. Printed are the seconds from the kill of the only worker, and from
Redis or Postgres answering again, to the last commit.
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from tests.support.processes import DevProcess, running_dev
from tests.support.waiting import wait_until

SESSIONS = 40
AGENT = "sleeper=tests.acceptance.recovery_agent:Sleeper"
UNFINISHED = "select count(*) from interactions where status = 'queued'"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20, help="how often each process is killed")
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with running_dev(Path(folder) / "data", AGENT) as dev:
            for name, answers in (("worker", None), ("redis", _redis_answers), ("postgres", _postgres_answers)):
                taken = [_once(dev, name, answers) for _ in range(repeat)]
                print(
                    f"{name}: median {statistics.median(taken):.1f} s, {min(taken):.1f} to {max(taken):.1f} s,"
                    f" {repeat} times",
                    flush=True,
                )


def _once(dev: DevProcess, name: str, answers: Callable[[dict[str, Any]], bool] | None) -> float:
    info = dev.wait_ready()
    _accept(info)
    os.kill(info["pids"][name], signal.SIGKILL)
    start = time.monotonic()
    if answers is not None:
        wait_until(lambda: _replaced(dev, name, info) and answers(dev.info), 60, f"{name} again")
        start = time.monotonic()
    wait_until(lambda: _unfinished(dev.info) == 0, 90, "all work done")
    taken = time.monotonic() - start
    wait_until(lambda: _replaced(dev, name, info), 60, f"another {name}")
    return taken


def _accept(info: dict[str, Any]) -> None:
    key = info["agents"]["sleeper"]["publicKey"]
    with httpx.Client(base_url=info["url"], headers={"x-api-key": key, "prefer": "respond-async"}, timeout=60) as http:
        for number in range(SESSIONS):
            body = {"sessionId": f"s{number}", "messages": [{"role": "user", "content": "go"}]}
            assert http.post("/v1/chat", json=body).status_code == httpx.codes.ACCEPTED


def _replaced(dev: DevProcess, name: str, before: dict[str, Any]) -> bool:
    return bool(dev.info) and dev.info["pids"][name] not in {None, before["pids"][name]}


def _unfinished(info: dict[str, Any]) -> int:
    try:
        with psycopg.connect(info["databaseUrl"], connect_timeout=2) as connection:
            row = connection.execute(UNFINISHED).fetchone()
            return int(row[0]) if row else -1
    except psycopg.OperationalError:
        return -1


def _postgres_answers(info: dict[str, Any]) -> bool:
    return _unfinished(info) >= 0


def _redis_answers(info: dict[str, Any]) -> bool:
    try:
        return bool(redis.Redis.from_url(info["redisUrl"], socket_timeout=1).ping())
    except redis.RedisError:
        return False


if __name__ == "__main__":
    main()
