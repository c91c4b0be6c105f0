"""Outgoing events without I/O: what may be emitted, where it may go, how it is signed, and when it is tried again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks.webhooks import Webhook

from pumice import Agent
from pumice.agents.outgoing import LARGEST_OUTGOING, checked_url
from pumice.errors import InvalidField, SerializationError, TurnOverError
from pumice.outgoing.addresses import RefusedAddressError, Target, allowed, is_public, look_up, networks
from pumice.outgoing.attempt import told
from pumice.outgoing.http_post import Answer
from pumice.outgoing.schedule import DELAYS, delay_after, hold_of
from pumice.outgoing.sharing import full, share_out
from pumice.outgoing.signatures import body_of, headers_of
from pumice.sessions.outgoing_endpoints import new_secret
from pumice.sessions.outgoing_steps import Claimed

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Shop(Agent):
    class State(Agent.State):
        ids: list[str] = []

    def ship(self, kind, data=None):
        self.state.ids.append(self.emit(kind, data))

    def fail(self):
        self.emit("order.shipped", 1)
        raise ValueError("no")

    def on_error(self, error):
        self.emit("order.failed", type(error).__name__)


def claimed(**fields):
    known: dict[str, Any] = {
        "event_id": "01989d3e-0000-7000-8000-000000000001",
        "endpoint_id": "01989d3e-0000-7000-8000-000000000002",
        "agent_id": "shop",
        "claims": 1,
        "attempts": 0,
        "url": "https://example.com/",
        "secret": new_secret(),
        "previous": None,
        "thin": False,
        "type": "order.shipped",
        "payload": '{"total": 12.50}',
        "session_id": "s 1",
        "created_at": NOW,
    }
    return Claimed(**(known | fields))


def info(address):
    return 2, (address, 443)


def test_what_turns_emitted_is_listed_in_tests(pumice_session):
    session = pumice_session(Shop)
    session.call("ship", "order.shipped", {"order": 7})
    with pytest.raises(ValueError, match="no"):
        session.call("fail")
    assert session.emitted == [("order.shipped", {"order": 7}), ("order.failed", "ValueError")]
    assert len(session.state.ids) == 1


@pytest.mark.parametrize("kind", ["", "a b", "a" * 128, "order\n", "bestellt.é", None, 7])
def test_a_type_that_is_none_is_refused(pumice_session, kind):
    with pytest.raises(ValueError, match="is no type"):
        pumice_session(Shop).call("ship", kind)


def test_data_that_can_not_be_sent_is_refused_naming_the_field():
    shop = Shop()
    with pytest.raises(SerializationError, match=r"the data of order\.shipped\.a\[1\]"):
        shop.emit("order.shipped", {"a": [1, object()]})
    with pytest.raises(SerializationError, match=str(LARGEST_OUTGOING)):
        shop.emit("order.shipped", "é" * (LARGEST_OUTGOING // 2))
    shop.turn.close()
    with pytest.raises(TurnOverError, match="emit"):
        shop.emit("order.shipped")


def test_delays_grow_over_almost_three_days_and_then_end():
    delays = [delay_after(attempt, lambda: 0.5) for attempt in range(1, len(DELAYS) + 1)]
    assert delays == [*DELAYS]
    assert sorted(DELAYS) == [*DELAYS]
    assert timedelta(days=2) < timedelta(seconds=sum(DELAYS)) < timedelta(days=3)
    assert delay_after(len(DELAYS) + 1) is None
    assert [delay_after(1, lambda: 0.0), delay_after(1, lambda: 1.0)] == pytest.approx([4.0, 6.0])


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "120", 120),
        (503, " 5 ", 5),
        (429, "99999999999999", 86_400),
        (429, "Sat, 31 Jan 2026 12:01:00 GMT", 60),
        (429, "Sat, 31 Jan 2026 11:00:00 GMT", None),
        (429, "soon", None),
        (429, "-5", None),
        (429, None, None),
        (500, "120", None),
    ],
)
def test_retry_after_is_heeded(status, text, seconds):
    assert hold_of(status, text, NOW) == seconds


def test_an_answer_decides_what_comes_next():
    ok = told(claimed(), Answer(204), None, NOW, 0.1)
    assert (ok.is_delivered, ok.delay, ok.status, ok.error) == (True, None, 204, None)
    gone = told(claimed(), Answer(410), None, NOW, 0.1)
    assert (gone.is_delivered, gone.gone, gone.delay) == (False, True, 0.0)
    late = told(claimed(), Answer(503, {"retry-after": "1000"}), None, NOW, 0.1)
    assert (late.delay, late.hold) == (1000, 1000)
    moved = told(claimed(), Answer(301, {"location": "https://example.org/"}), None, NOW, 0.1)
    assert (moved.is_delivered, moved.error) == (False, "it answered 301")
    last = told(claimed(attempts=len(DELAYS)), None, "no connection\x00\n", NOW, 0.1)
    assert (last.is_delivered, last.delay, last.error, last.tried["status"]) == (False, None, "no connection  ", None)


def test_the_library_of_standard_webhooks_takes_the_signature_and_the_body_is_as_documented():
    one = claimed(previous=new_secret())
    body, now = body_of(one), datetime.now(UTC)
    headers = headers_of(one, body, now)
    assert body == b'{"type":"order.shipped","timestamp":"2026-01-31T12:00:00Z","data":{"total": 12.50}}'
    for secret in (one.secret, one.previous):
        assert Webhook(secret).verify(body, headers)["data"] == {"total": 12.5}
    assert headers["webhook-id"] == one.event_id
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    thin = body_of(claimed(thin=True))
    assert thin.endswith(b'"data":{"id":"01989d3e-0000-7000-8000-000000000001","sessionId":"s 1","agentId":"shop"}}')


PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
    *("100.64.0.1", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.0.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:8.8.8.8"),
    *("::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "fe80::1", "fe80::1%eth0", "fc00::1"),
    *("fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "2002:7f00:1::", "2001:0:1::1", "100::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address):
    assert not is_public(address)
    with pytest.raises(RefusedAddressError, match="is not public"):
        allowed(Target.of("https://example.com/"), [info("8.8.8.8"), info(address)], ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_called_by_https_alone(address):
    assert allowed(Target.of("https://example.com/"), [info(address)], ()) == [info(address)]
    with pytest.raises(RefusedAddressError, match="need https"):
        allowed(Target.of("http://example.com/"), [info(address)], networks("127.0.0.1/32"))


def test_a_setting_allows_private_networks():
    private = networks("10.0.0.0/8, fd00::/8")
    for address in ("10.1.2.3", "fd00::1"):
        assert allowed(Target.of("http://example.com/"), [info(address)], private) == [info(address)]
    with pytest.raises(RefusedAddressError):
        allowed(Target.of("https://example.com/"), [info("10.1.2.3"), info("127.0.0.1")], private)
    assert networks("") == ()


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "127.0.0.1.", "[::ffff:7f00:1]", "[::1]", "0"]
)
def test_odd_spellings_of_an_address_are_what_they_resolve_to(host):
    target = Target.of(checked_url(f"https://{host}/"))
    try:
        found = look_up(target)
    except Exception:
        return  # it does not resolve here, so nothing is sent to it
    with pytest.raises(RefusedAddressError):
        allowed(target, found, ())


@pytest.mark.parametrize(
    "url",
    [
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://a@b/",
        "https://a\\@b/",
        "https://a#@b/",
        "https://a/\r\nhost: b",
        "HTTPS//a",
        "//a/",
        "file:///etc/passwd",
        "gopher://a/",
        "https://[fe80::1%25eth0]/",
        "https://a:0/",
        "https://" + "a" * 2_048,
    ],
)
def test_addresses_that_could_mean_two_things_are_refused(url):
    with pytest.raises(InvalidField):
        checked_url(url)


def test_what_is_called_is_what_was_written():
    target = Target.of("https://Example.com:8443/a%20b?c=d")
    assert target == Target("https", "example.com", 8443, "Example.com:8443", "/a%20b?c=d")
    assert Target.of("http://example.com").path == "/"
    assert Target.of("http://example.com?a").path == "/?a"


def test_however_many_agents_hang_there_is_room_for_one_more():
    running: dict[str, int] = {}
    free = 128
    for number in range(12):
        agent = f"a{number}"
        given_ = share_out([(f"{agent}-{one}", agent) for one in range(40)], running, free, each=4)
        assert given_, f"no room for {agent}"
        running[agent] = sum(given_.values())
        free -= running[agent]
    assert free > 0


@given(
    some.lists(some.tuples(some.integers(0, 30), some.integers(0, 5)), max_size=40),
    some.dictionaries(some.integers(0, 5), some.integers(0, 20)),
    some.integers(0, 64),
)
def test_places_are_shared_fairly(pairs, busy, free):
    ready = [(f"{agent}-{endpoint}", str(agent)) for endpoint, agent in dict.fromkeys(pairs)]
    running = {str(agent): count for agent, count in busy.items()}
    found = share_out(ready, running, free, each=4)
    assert sum(found.values()) <= free
    assert all(1 <= count <= 4 for count in found.values())
    by_agent = {agent: sum(found.get(one, 0) for one, other in ready if other == agent) for _, agent in ready}
    assert not any(by_agent.get(agent) for agent in full(running, free))
    left = free - sum(found.values())
    for agent, count in by_agent.items():
        places = 4 * sum(other == agent for _, other in ready)
        assert count == places or 4 * (running.get(agent, 0) + count) >= left
