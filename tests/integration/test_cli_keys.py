"""`pumice keys`: made, listed, and revoked by the key itself, its id or an unambiguous beginning of it."""

import pytest

from pumice.sessions.api_keys import create_key
from tests.support.commands import Commands


@pytest.fixture
def commands(database_url, tmp_path):
    return Commands(tmp_path, DATABASE_URL=database_url, AGENTS="desk=x:Desk,clerk=x:Clerk")


def valid(commands: Commands) -> list[str]:
    return [row["id"] for row in commands.json("keys", "list") if row["revokedAt"] is None]


def test_a_key_is_made_listed_and_revoked(commands):
    done = commands.call("keys", "create", "--agent", "desk", "--kind", "secret")
    key = done.stdout.strip()
    assert (done.exit_code, done.stderr, key[:4]) == (0, "", "sec_")
    listed = commands.call("keys", "list", "--agent", "desk").stdout.splitlines()
    assert listed[0].split() == ["ID", "KIND", "AGENT", "CREATED", "REVOKED"]
    assert listed[1].split()[:3] == [key[:12], "secret", "desk"]
    assert key not in "".join(listed)
    assert commands.json("keys", "list", "--agent", "clerk") == []
    assert commands.call("keys", "revoke", key).output == f"revoked {key[:12]}, a secret key of agent desk\n"
    assert valid(commands) == []
    assert commands.call("keys", "revoke", key).exit_code == 1


def test_a_key_for_an_agent_that_is_not_served_is_made_with_a_warning(commands):
    done = commands.call("keys", "create", "--agent", "dekst")
    assert done.exit_code == 0
    assert done.stdout.startswith("pub_")
    assert done.stderr == "warning: dekst is not among the agents served: AGENTS has desk, clerk\n"
    made = commands.json("keys", "create", "--agent", "desk", "--kind", "public")
    assert set(made) == {"id", "agentId", "kind", "key"}


@pytest.mark.parametrize("length", [12, 11, 8, None], ids=["id", "most of the id", "some of it", "the key"])
def test_what_stands_for_one_key(commands, database_url, length):
    keys = [create_key(database_url, "desk", "public") for _ in range(3)]
    assert commands.call("keys", "revoke", keys[1][:length]).exit_code == 0
    assert sorted(valid(commands)) == sorted(key[:12] for key in (keys[0], keys[2]))


@pytest.mark.parametrize("given", ["pub_", "p", ""])
def test_what_stands_for_several_revokes_none(commands, database_url, given):
    keys = [create_key(database_url, "desk", "public") for _ in range(2)]
    done = commands.call("keys", "revoke", given)
    assert done.exit_code == 1
    assert "2 valid keys begin like that, and none was revoked" in done.stderr
    assert all(key[:12] in done.stdout for key in keys)
    assert len(valid(commands)) == 2


def test_a_key_with_a_mistake_in_it_stands_for_none(commands, database_url):
    key = create_key(database_url, "desk", "public")
    for wrong in (key[:-1] + ("a" if key[-1] != "a" else "b"), key[:-1], "%", "pub\\_"):
        assert commands.call("keys", "revoke", wrong).exit_code == 1
    assert valid(commands) == [key[:12]]


def test_a_beginning_that_only_a_revoked_key_shares_is_not_ambiguous(commands, database_url):
    first, second = (create_key(database_url, "desk", "public") for _ in range(2))
    assert commands.call("keys", "revoke", first).exit_code == 0
    assert commands.call("keys", "revoke", "pub_").output == f"revoked {second[:12]}, a public key of agent desk\n"
