"""Keys and origins: guessers are slowed down and lock nobody out; sockets from other sites are closed."""

import pytest

from pumice.sessions.api_keys import create_key
from tests.support.client import AgentClient, chat_body
from tests.support.sockets import SocketClient

LIMIT = 5


@pytest.fixture(scope="module")
def plain(control):
    """A client of a front on which this address has guessed too often."""
    with control.front(AUTH_FAILURES_PER_MINUTE=str(LIMIT)) as front:
        agent = control.agent("plain", front.url)
        guesses = [chat(agent, f"pub_{number}") for number in range(LIMIT + 3)]
        assert [guess.status_code for guess in guesses] == [401] * LIMIT + [429] * 3
        assert 1 <= int(guesses[-1].headers["retry-after"]) <= 60
        yield agent


def chat(agent: AgentClient, key: str):
    return agent.http.post("/v1/chat", json=chat_body("x"), headers={"x-api-key": key})


def test_valid_keys_are_not_locked_out_by_guessers(control, plain):
    assert chat(plain, plain.public_key).status_code == 200
    fresh = create_key(control.database_url, "plain", "public")
    assert chat(plain, fresh).status_code == 200
    assert chat(plain, "pub_again").status_code == 429


def test_sockets_count_and_are_not_locked_out(control, plain):
    address = f"/v1/plain?apiKey={plain.public_key}"
    with plain.socket(address=address) as socket:
        assert socket.next()["type"] == "session"
    with SocketClient(plain.url.replace("http", "ws") + "/v1/plain?apiKey=pub_guess") as socket:
        frame = socket.next()
        assert frame["error"]["status"] == 429


def test_a_missing_key_is_no_guess(plain):
    assert plain.http.post("/v1/chat", json=chat_body("x")).status_code == 401


def test_keys_of_other_agents_count_as_wrong(control, plain):
    other = control.agent("latest", plain.url)
    path = "/v1/agents/plain/chat"
    assert plain.http.post(path, json=chat_body("x"), headers=other.public).status_code == 429
    assert chat(plain, other.public_key).status_code == 200


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("https://good.example", None),
        (None, None),
        ("https://good.example.evil.example", 4403),
        ("http://good.example", 4403),
        ("https://good.example:444", 4403),
        ("null", 4403),
        ("*", 4403),
    ],
)
def test_sockets_from_other_origins_are_closed(strict, origin, code):
    url = strict.url.replace("http", "ws") + f"/v1/plain?apiKey={strict.public_key}"
    with SocketClient(url, origin=origin) as socket:
        if code is None:
            assert socket.next()["type"] == "session"
        else:
            assert socket.closed() == code


@pytest.fixture(scope="module")
def strict(control):
    with control.front(ALLOWED_ORIGINS="https://good.example, https://fine.example") as front:
        yield control.agent("plain", front.url)


def test_spaces_between_origins_do_not_matter(strict):
    url = strict.url.replace("http", "ws") + f"/v1/plain?apiKey={strict.public_key}"
    with SocketClient(url, origin="https://fine.example") as socket:
        assert socket.next()["type"] == "session"
