"""Managing endpoints and events of an agent by the command."""

import json
from uuid import uuid4

from tests.support.client import new_session
from tests.support.commands import Commands
from tests.support.outgoing import delivered, status
from tests.support.waiting import wait_until


def test_the_command_does_the_same(outgoing, sender, shop, elsewhere, tmp_path):
    commands = Commands(tmp_path, **outgoing.environ)
    url = elsewhere.url("/a")
    made = commands.json("outgoing", "add", "shop", url, "--event", "order.*", "--event", "a")
    assert (made["url"], made["events"]) == (url, ["order.*", "a"])
    assert commands.call("outgoing", "add", "shop", "https://10.0.0.1/").exit_code == 1
    assert commands.call("outgoing", "add", "no agent", url).exit_code == 1
    assert commands.call("outgoing", "pause", "shop", made["id"]).stdout == f"{url} is paused; 0 events wait\n"
    event = shop.reply("emit order.shipped", new_session())
    wait_until(lambda: status(outgoing, event), 10, "its delivery")
    assert commands.call("outgoing", "resume", "shop", made["id"]).exit_code == 0
    elsewhere.waited("/a")[0].verified(made["secret"])
    delivered(outgoing, event)
    assert commands.json("outgoing", "rotate", "shop", made["id"])["secret"] != made["secret"]
    table = commands.call("outgoing", "events", "shop", "--type", "order.shipped", "--since", "2020-01-01").stdout
    assert (event in table, "1 delivered" in table) == (True, True)
    assert "200" in commands.call("outgoing", "events", "shop", event).stdout
    assert commands.json("outgoing", "events", "shop", "--status", "failed") == []
    assert commands.call("outgoing", "resend", "shop", event).exit_code == 0
    elsewhere.waited("/a", 2)
    assert url in commands.call("outgoing", "endpoints", "shop").stdout
    assert json.loads(commands.call("outgoing", "endpoints", "shop", "--json").stdout)[0]["id"] == made["id"]
    assert commands.call("outgoing", "remove", "shop", made["id"]).exit_code == 1
    assert commands.call("outgoing", "remove", "shop", made["id"], "--yes").exit_code == 0
    assert commands.call("outgoing", "pause", "shop", made["id"]).exit_code == 1
    assert commands.call("outgoing", "resend", "shop", str(uuid4())).exit_code == 1
    assert commands.call("outgoing", "events", "shop", "--endpoint", "x").exit_code == 1
