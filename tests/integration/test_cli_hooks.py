"""`pumice hooks`: what there is, what came, trying out, and replaying."""

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.senders import SENDERS, Delivering, Keys
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(senders, sender_keys):
    """Runs `pumice hooks …`, with new secrets first, on the stack of all senders."""
    environ = {}
    for name, (new, old) in sender_keys.items():
        for variable in SENDERS[name].source.secrets:
            environ[variable] = f"{new.held},{old.held}"
    environ["PUMICE_URL"] = senders.url
    commands = Commands(ROOT, **senders.environ | environ)

    def call(*arguments, status=0, **more):
        done = commands.call("hooks", *arguments, **more)
        assert done.exit_code == status, done.output
        return done.output

    return call


def test_list_says_whether_secrets_are_there(run):
    rows = {(row["agentId"], row["hook"]): row for row in json.loads(run("list", "--json"))}
    assert rows["senders", "stripe"]["secret"] == "STRIPE_SECRET present"
    assert rows["senders", "asana"]["path"] == "/v1/agents/senders/hooks/asana"
    assert rows["shared", "billing"]["events"] == "invoice.paid, invoice.*"
    assert rows["shared", "unset"]["secret"] == "NOBODY_SET_THIS is missing or empty"
    assert "holds no secret of this sender" in rows["shared", "wrong"]["secret"]
    assert rows["shared", "put"]["secret"] is None


@pytest.mark.parametrize("name", ["stripe", "slack", "twilio", "mailgun", "gitlab", "figma", "monday", "openai"])
def test_trigger_sends_a_signed_sample(run, name):
    session = f"c-{uuid.uuid4().hex}"
    answer = run("trigger", "senders", name, "--session", session)
    assert answer.startswith("200 ")
    assert json.loads(answer[4:])["runs"] == 1


def test_trigger_chooses_event_session_and_body(run, tmp_path, senders):
    session = f"c-{uuid.uuid4().hex}"
    assert json.loads(run("trigger", "shared", "billing", "--session", session)[4:]) == {"by": "paid"}
    other = run("trigger", "shared", "billing", "--session", session, "--event", "invoice.voided")
    assert json.loads(other[4:]) == {"by": "invoice"}
    assert json.loads(run("trigger", "shared", "billing", "--event", "x.y")[4:]) == {"ignored": "x.y"}
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"id": session, "type": "invoice.sent", "data": {"object": {"customer": session}}}))
    assert json.loads(run("trigger", "shared", "billing", "--data", str(file))[4:]) == {"by": "invoice"}
    assert senders.agent("shared").state(session) == {"paid": 1, "other": 2, "rest": 0}


def test_trigger_sends_many_each_with_an_id_of_its_own(run, senders):
    session = f"c-{uuid.uuid4().hex}"
    assert "40 answered 200" in run("trigger", "senders", "github", "--session", session, "--count", "40")
    assert senders.agent("senders").state(session)["runs"] == 40


def test_what_cant_be_sent_is_said(run):
    assert "has no hook 'nobody'" in run("trigger", "senders", "nobody", status=1)
    assert "AGENTS names no agent 'nobody'" in run("trigger", "nobody", "x", status=1)
    assert "NOBODY_SET_THIS is missing or empty" in run("trigger", "shared", "unset", status=1)
    assert "can't be reached" in run("trigger", "senders", "github", status=1, PUMICE_URL="http://127.0.0.1:9")
    assert "only the sender can sign" in run("trigger", "senders", "discord", status=1)


def test_deliveries_are_listed_shown_made_tests_of_and_replayed(run, senders, tmp_path):
    since, session = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), f"c-{uuid.uuid4().hex}"
    run("trigger", "senders", "typeform", "--session", session)
    picked = ("--hook", "typeform", "--since", since)
    [row] = json.loads(run("deliveries", "senders", *picked, "--json"))
    assert (row["status"], row["event"], row["sessionId"]) == ("accepted", "form_response", session)
    assert row["id"] in run("deliveries", "senders", *picked)
    assert json.loads(run("show", "senders", row["id"]))["method"] == "POST"
    secret = senders.agent("senders").secret_key
    assert "1 replayed" in run("replay", "senders", row["id"], "--key", secret)
    assert "1 replayed, 1 left out" in run("replay", "senders", *picked, "--key", secret)
    wait_until(lambda: senders.agent("senders").state(session)["runs"] == 3)
    file = tmp_path / "test_delivery.py"
    run("show", "senders", row["id"], "--test", str(file))
    command = [sys.executable, "-m", "pytest", "-q", str(file), "-p", "no:cacheprovider"]
    tried = subprocess.run(
        command, env={"PYTHONPATH": f"{ROOT}:{ROOT}/app:{ROOT}/workers"}, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "1 passed" in tried.stdout


def test_deliveries_that_are_not_there(run, senders):
    secret = senders.agent("senders").secret_key
    assert "has no delivery" in run("show", "senders", str(uuid.uuid4()), status=1)
    assert "There is no such delivery" in run("replay", "senders", str(uuid.uuid4()), "--key", secret, status=1)
    assert "name one delivery, or a filter" in run("replay", "senders", "--key", secret, status=1)
    assert "is no hook of the agent" in run("deliveries", "senders", "--hook", "nobody", status=1)


def test_a_secret_that_was_handed_over_counts_once_it_is_accepted(run, senders):
    secret, strangers = uuid.uuid4().hex, uuid.uuid4().hex
    for one in (secret, strangers):
        senders.agent("senders").hook("asana", headers={"X-Hook-Secret": one})
    asana, stranger = (
        Delivering(senders.url, "senders", "asana", SENDERS["asana"], Keys(one, one)) for one in (secret, strangers)
    )
    rows = {one["secret"]: one for one in json.loads(run("secrets", "list", "senders", "--json"))}
    assert [(rows[one]["hook"], rows[one]["acceptedAt"]) for one in (secret, strangers)] == [("asana", None)] * 2
    assert asana()[0] == 401
    run("secrets", "accept", "senders", rows[secret]["id"])
    wait_until(lambda: asana()[0] == 200)
    assert stranger()[0] == 401
    run("secrets", "remove", "senders", rows[secret]["id"])
    wait_until(lambda: asana()[0] == 401)
    assert "has no secret" in run("secrets", "accept", "senders", rows[secret]["id"], status=1)
