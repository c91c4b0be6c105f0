"""A worker that is stopping takes no wake from those that go on."""

import signal

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.client import new_session
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import running_stack
from tests.support.waiting import wait_until

AGENTS = "echo=tests.support.agents_chat:Echo,receiver=tests.support.agents_hooks:Receiver"
REDIS_DATABASE = 9
STILL_STOPPING = "update interactions set wake_at = now() + interval '1 hour' where status = 'queued' returning id"


def test_a_worker_that_is_stopping_swallows_no_wake(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template, tmp_path
):
    """Rescue can't help: it is told to look at them in an hour."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "SHUTDOWN_TIMEOUT": "30", "REPLY_TIMEOUT": "3"}, AGENTS) as stack:
            stopping, gate, receiver = stack.shared["worker"], Gate(tmp_path), stack.agent("receiver")
            held = receiver.hook(
                "gate", params={"session": new_session()}, content=str(gate), headers={"prefer": "respond-async"}
            )
            gate.reached()
            with stack.worker():
                stopping.send(signal.SIGTERM)
                wait_until(lambda: "Warm shutdown" in stopping.output, 10, "the stop to begin")
                echo, ids = stack.agent("echo"), []
                for _ in range(8):
                    sent = echo.chat("x", new_session(), headers={"prefer": "respond-async"})
                    ids.append(sent.json()["interactionId"])
                    stack.query(STILL_STOPPING)
                for one in ids:
                    assert echo.finished(one)["status"] == "done"
                gate.open()
                assert receiver.finished(held.json()["interactionId"])["status"] == "done"
                assert stopping.wait_ended() == 0
