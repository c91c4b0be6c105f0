"""What a worker tells of a turn is what was committed."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest
import redis

from pumice.agents.context import new_id
from pumice.messaging.events import EventPublisher, front_channel
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.commit_rows import SessionCommit
from pumice.sessions.leases import Lease
from pumice.settings import Settings
from pumice_workers.committer import Committer, Finished
from tests.support.protocol import AGENT, Protocol, done, new, part
from tests.support.waiting import wait_until


def test_a_turn_that_postgres_refuses_is_told_as_a_failure(protocol, redis_url):
    settings = Settings.from_env({"DATABASE_URL": protocol.settings.database_url, "REDIS_URL": redis_url})
    front = new_id()
    protocol.accept(new("good", reply_to=front), new("bad", reply_to=front))
    good, bad = protocol.claim("good", "bad")
    refused = replace(done(bad.work[0]), state='{"ratio": NaN}')
    events, wakes = EventPublisher(settings), WakePublisher(settings)
    committer = Committer(settings, events, wakes)
    told: list[dict[str, Any]] = []
    held: list[bool] = []
    with redis.Redis.from_url(redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as replies:
        replies.subscribe(front_channel(front))
        wait_until(lambda: client.pubsub_numsub(front_channel(front))[0][1], what="the subscription")
        committer.add(Finished(part(good, done(good.work[0])), held.append), urgent=False)
        committer.add(Finished(part(bad, refused), held.append), urgent=True)
        wait_until(lambda: len(held) == 2, what="the commit")

        def look():
            message = replies.get_message(timeout=0.1)
            told.extend(orjson.loads(message["data"]) if message else [])
            return len(told) == 2

        wait_until(look, what="both replies")
    for one in (committer, events, wakes):
        one.stop()
    assert held == [True, True]
    assert {one["id"]: one["status"] for one in told} == {good.work[0].id: "done", bad.work[0].id: "failed"}
    assert protocol.statuses("good") + protocol.statuses("bad") == ["done", "failed"]
    assert protocol.session("bad")["state"] is None


def test_turns_before_a_closed_one_are_committed_and_told_and_the_rest_is_woken(protocol, redis_url):
    settings = Settings.from_env({"DATABASE_URL": protocol.settings.database_url, "REDIS_URL": redis_url})
    protocol.accept(*(new() for _ in range(3)))
    claimed = protocol.claim_one()
    protocol.query("update interactions set status = 'skipped', finished_at = now() where id = %s", claimed.work[1].id)
    woken: list[Wake] = []

    class Noting(WakePublisher):
        def wake(self, wakes: Iterable[Wake]) -> None:
            woken.extend(wakes)

    events, wakes = EventPublisher(settings), Noting(settings)
    committer = Committer(settings, events, wakes)
    held: list[bool] = []
    turns = part(claimed, *(done(work, state={"n": place}) for place, work in enumerate(claimed.work)))
    committer.add(Finished(turns, held.append), urgent=True)
    wait_until(lambda: held, what="the commit")
    wait_until(lambda: woken, what="the wake")
    for one in (committer, events, wakes):
        one.stop()
    assert held == [False]
    assert [(one.agent_id, one.session_id) for one in woken] == [(AGENT, "s")]
    assert (protocol.statuses(), protocol.session()["state"]) == (["done", "skipped", "queued"], {"n": 0})
    assert [work.id for work in protocol.claim_one().work] == [claimed.work[2].id]


@pytest.fixture
def index(protocol):
    """An index on a state's field, which holds no value of more than some thousand bytes."""
    protocol.query("create index too_small on sessions ((state ->> 'noise'))")
    yield
    protocol.query("drop index too_small")


def committed(protocol: Protocol, redis_url: str, *parts: SessionCommit) -> list[bool]:
    """Commit these together. Returns whether each lease held."""
    settings = Settings.from_env({"DATABASE_URL": protocol.settings.database_url, "REDIS_URL": redis_url})
    events, wakes = EventPublisher(settings), WakePublisher(settings)
    committer = Committer(settings, events, wakes)
    held: dict[Lease, bool] = {}
    committer.add(*(Finished(one, partial(held.__setitem__, one.lease)) for one in parts), urgent=True)
    wait_until(lambda: len(held) == len(parts), what="the commit")
    for each in (committer, events, wakes):
        each.stop()
    return [held[one.lease] for one in parts]


def test_a_state_that_no_index_can_hold_fails_its_turn_and_holds_up_nobody(protocol, redis_url, index):
    """For psycopg this is an `OperationalError`, as a lost connection is."""
    protocol.accept(new("good"), new("bad"))
    good, bad = protocol.claim("good", "bad")
    began = time.monotonic()
    noise = {"noise": os.urandom(20_000).hex()}
    held = committed(protocol, redis_url, part(bad, done(bad.work[0], state=noise)), part(good, done(good.work[0])))
    assert (held, time.monotonic() - began < 10) == ([True, True], True)
    assert (protocol.statuses("good"), protocol.statuses("bad")) == (["done"], ["failed"])
    assert "index row" in protocol.interactions("bad")[0]["errors"][-1]["message"]


def test_of_several_turns_the_one_fails_that_is_refused(protocol, redis_url, index):
    protocol.accept(new(), new(), new())
    noise = {"noise": os.urandom(20_000).hex()}
    for state, left in (({"n": 1}, ["done", "queued", "queued"]), (None, ["done", "failed", "queued"])):
        claimed = protocol.claim_one()
        turns = [done(claimed.work[0], state=state or noise), done(claimed.work[1], state=noise)]
        committed(protocol, redis_url, part(claimed, *turns))
        assert protocol.statuses() == left
    assert protocol.session()["state"] == {"n": 1}


def test_a_session_that_can_save_nothing_fails_alone(protocol, redis_url):
    """Its failure is refused as its turn is: it has as many points as can be counted."""
    protocol.accept(new("good"), new("bad"), new("bad"), new("late"))
    protocol.query("update sessions set version = 9223372036854775807 where id = 'bad'")
    good, bad, late = protocol.claim("good", "bad", "late")
    parts = [part(one, done(one.work[0], state={"n": 1})) for one in (bad, good, late)]
    assert committed(protocol, redis_url, *parts) == [True, True, True]
    assert protocol.statuses("good") + protocol.statuses("late") == ["done", "done"]
    assert protocol.statuses("bad") == ["failed", "queued"]
    assert protocol.session("bad")["lease_token"] is None
    assert protocol.interactions("bad")[0]["errors"][-1]["type"] == "SerializationError"
