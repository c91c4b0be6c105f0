"""What a worker tells of a turn is what was committed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
import redis

from pumice.agents.context import new_id
from pumice.messaging.events import EventPublisher, front_channel
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.settings import Settings
from pumice_workers.committer import Committer, Finished
from tests.support.protocol import AGENT, done, new, part
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
