"""Messages become calls on the pool's threads, and count against the prefetch limit until they start."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import InvalidTaskError

from pumice.settings import Settings
from pumice_workers.direct_strategy import direct
from tests.support.waiting import wait_until

SETTINGS = Settings.from_env({"DATABASE_URL": "postgresql://nowhere/none"})


class Message:
    def __init__(self, payload: Any) -> None:
        self.payload = payload
        self.acked = threading.Event()

    def ack_log_error(self, logger: logging.Logger, errors: tuple[type[Exception], ...]) -> None:
        """Celery's own, and the signature of what it gives a strategy to call from another thread."""
        assert (logger.name, errors) == ("pumice.worker", (OSError,))
        self.acked.set()


class Pool:
    """As many threads as Celery's threads pool has, and what was called on them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.executor = ThreadPoolExecutor(limit)
        self.called: list[Any] = []
        self.go = threading.Event()
        consumer = SimpleNamespace(pool=self, connection_errors=(OSError,))
        self.handle = direct(SimpleNamespace(run=self.run), SimpleNamespace(settings=SETTINGS), consumer)

    def run(self, *arguments: Any, **options: Any) -> None:
        self.called.append((arguments, options))
        if arguments == ("fail",):
            raise ValueError(arguments)
        assert self.go.wait(10)

    def take(self, *arguments: Any, **options: Any) -> Message:
        message = Message([list(arguments), options, {}])
        self.handle(message, None, message.ack_log_error, None, ())
        return message


@pytest.fixture
def pool():
    pool = Pool(2)
    yield pool
    pool.go.set()
    pool.executor.shutdown()


def test_a_message_is_acknowledged_when_its_call_starts(pool):
    first, second, third = pool.take(1, n=1), pool.take(2), pool.take(3)
    wait_until(lambda: len(pool.called) == 2)
    assert pool.called[0] == ((1,), {"n": 1})
    assert first.acked.is_set()
    assert second.acked.is_set()
    assert not third.acked.is_set()
    pool.go.set()
    assert third.acked.wait(5)


def test_a_call_that_fails_is_logged_and_gives_its_place_back(pool, caplog):
    pool.go.set()
    with caplog.at_level(logging.ERROR, "pumice.worker"):
        pool.take("fail")
        pool.take("fail")
        wait_until(lambda: len(caplog.records) == 2)
    assert pool.take(1).acked.wait(5)


@pytest.mark.parametrize("payload", [None, 7, [], {"args": []}])
def test_a_message_of_another_form_is_refused(pool, payload):
    with pytest.raises(InvalidTaskError):
        pool.handle(Message(payload), None, print, None, ())
    assert not pool.called
