"""RabbitMQ as the broker, with Redis for events."""

from functools import partial

import pytest

from tests.deploy import servers
from tests.deploy.daemons import Switch, running
from tests.deploy.journey import ticks, try_everything
from tests.support.client import AgentClient
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(400)]
PROMPT = "select 1 from interactions where status = 'done' and name = 'note' and finished_at - accepted_at > '5s'"


@pytest.fixture
def broker(open_folder):
    mapper, port = servers.epmd(open_folder)
    with running(mapper):
        daemon, url = servers.rabbitmq(open_folder, port)
        switch = Switch(daemon)
        switch.on()
        yield switch, url
        switch.off()


def test_everything_works_and_a_restart_loses_nothing(deploy, broker):
    """The broker is stopped with work in it; what comes meanwhile runs, and wakes travel by it afterwards."""
    switch, url = broker
    with deploy(BROKER_URL=url) as stack:
        desk = stack.agent("desk")
        try_everything(desk)
        switch.off()
        for place in range(20):
            assert desk.hook("later", json={"session": f"kept-{place % 4}", "note": str(place)}).status_code == 202
        before = ticks(desk, "kept-0")
        assert desk.reply("a chat", "kept-0").startswith("a chat, ")
        for place in range(4):
            wait_until(partial(_has_notes, desk, f"kept-{place}", 5), 40, "notes while it is away")
        wait_until(lambda: len(ticks(desk, "kept-0")) >= len(before) + 2, 40, "ticks while it is away")
        switch.on()
        wait_until(lambda: _consumers(url) > 0, 40, "a worker that listens to the broker again")
        try_everything(desk)
        assert sorted(desk.state("kept-1")["notes"], key=int) == ["1", "5", "9", "13", "17"]
        assert "Traceback" not in stack.shared["worker"].output


def _has_notes(desk: AgentClient, session: str, count: int) -> bool:
    return len(desk.state(session)["notes"]) >= count


def _consumers(url: str) -> int:
    from kombu import Connection  # noqa: PLC0415 (only here)

    with Connection(url) as connection, connection.channel() as channel:
        return int(channel.queue_declare("chat", passive=True).consumer_count)
