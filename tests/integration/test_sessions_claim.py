"""Claim: who holds a session, with what work; leases kept, given back and lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pumice.messaging.wakes import Wake
from pumice.sessions.claim import SMALL_BODY
from pumice.sessions.free import find_free
from pumice.sessions.leases import Lease, announce, release, renew
from pumice.sessions.loading import load_body, load_messages
from pumice_workers.recheck import Recheck
from tests.support.protocol import AGENT, done, new
from tests.support.waiting import wait_until


def ids(claimed):
    return [work.id for work in claimed.work]


def test_a_claim_gives_state_and_work_in_order(protocol):
    wanted = [new(body=b"x", payload='{"n": 1}', reply_to="front"), new(kind="chat", name=None)]
    protocol.accept(*wanted)
    claimed = protocol.claim_one()
    assert (claimed.state, claimed.message_count, claimed.probation) == (None, 0, False)
    assert ids(claimed) == [one.id for one in wanted]
    first = claimed.work[0]
    assert (first.kind, first.name, first.payload, first.body, first.reply_to) == (
        "hook",
        "hook",
        '{"n": 1}',
        b"x",
        "front",
    )
    assert (first.attempts, first.scheduled_for) == (0, None)
    row = protocol.session()
    assert (row["lease_token"], row["lease_worker"]) == (claimed.lease.token, 1)
    assert 9 < (row["lease_until"] - row["leased_at"]).total_seconds() <= 10


def test_what_is_held_or_idle_or_unknown_is_not_claimed(protocol, rival):
    protocol.accept(new("held"), new("idle"))
    protocol.finish(idle := protocol.claim_one("idle"), done(idle.work[0]))
    protocol.claim_one("held")
    assert rival.claim("held", "idle", "unknown") == []


def test_a_wake_claims_what_is_free_in_its_own_order(protocol, rival):
    protocol.accept(*(new(session) for session in "abcd"))
    rival.claim_one("b")
    assert [one.lease.session_id for one in protocol.claim("d", "b", "a", "nobody")] == ["d", "a"]


def test_each_session_has_one_holder(protocol, rival):
    names = [f"s{number}" for number in range(50)]
    protocol.accept(*(new(name) for name in names))
    with ThreadPoolExecutor(2) as pool:
        claims = list(pool.map(lambda steps, order: steps.claim(*order), (protocol, rival), (names, names[::-1])))
    holders = [one.lease.session_id for claimed in claims for one in claimed]
    assert len(holders) == len(set(holders))
    holders += [one.lease.session_id for one in protocol.claim(*names)]
    assert sorted(holders) == sorted(names)


def test_later_work_is_left_for_later(protocol):
    wanted = [new() for _ in range(3)]
    protocol.accept(*wanted)
    protocol.query("update interactions set available_at = now() + interval '1 hour' where id = %s", wanted[0].id)
    assert ids(protocol.claim_one()) == [wanted[1].id, wanted[2].id]


def test_a_claim_takes_no_more_than_its_limit(protocol):
    wanted = [new() for _ in range(5)]
    protocol.accept(*wanted)
    claimed = protocol.claim_one(limit=2)
    assert ids(claimed) == [wanted[0].id, wanted[1].id]
    protocol.finish(claimed, *(done(work) for work in claimed.work))
    assert ids(protocol.claim_one(limit=9)) == [one.id for one in wanted[2:]]


def test_agents_with_the_same_session_do_not_meet(protocol):
    mine, theirs = new(), replace(new(), agent_id="other")
    protocol.accept(mine, theirs)
    assert ids(protocol.claim_one()) == [mine.id]
    assert ids(protocol.claim_one(agent="other")) == [theirs.id]


def test_a_blocked_session_waits(protocol):
    protocol.accept(new())
    protocol.query("update sessions set blocked_until = now() + interval '1 hour'")
    assert protocol.claim("s") == []
    protocol.query("update sessions set blocked_until = now()")
    assert protocol.claim("s")


def test_a_suspect_is_claimed_for_its_group_alone(protocol):
    protocol.accept(new(), new(), new("t"), new("u"))
    protocol.query("update sessions set probation = true, suspect_group = case id when 's' then 7 else 8 end")
    protocol.query("update sessions set probation = false where id = 't'")
    assert [one.lease.session_id for one in protocol.claim("s", "t", "u")] == ["t"]
    (claimed,) = protocol.claim("s", "t", "u", group=7)
    assert (claimed.lease.session_id, claimed.probation, len(claimed.work)) == ("s", True, 2)


def test_large_bodies_are_loaded_when_needed(protocol):
    large = new(body=b"x" * (SMALL_BODY + 1))
    protocol.accept(large, new(body=b"x" * SMALL_BODY), new())
    claimed = protocol.claim_one()
    assert claimed.large_bodies == {large.id}
    assert [None if work.body is None else len(work.body) for work in claimed.work] == [None, SMALL_BODY, None]
    assert load_body(protocol.store, large.id) == large.body
    assert load_body(protocol.store, new().id) == b""


def test_the_newest_messages_are_loaded(protocol):
    protocol.accept(new(), new())
    claimed = protocol.claim_one(limit=1)
    protocol.finish(claimed, done(claimed.work[0], said=["a", "b", "c", "d"]))
    again = protocol.claim_one()
    assert [row.content for row in load_messages(protocol.store, again, 2)] == ["c", "d"]
    protocol.query("update sessions set history_start = 3")
    again.history_start = 3
    assert [row.content for row in load_messages(protocol.store, again, 10)] == ["d"]


def test_a_lease_is_prolonged_while_it_is_held(protocol):
    protocol.accept(new("a"), new("b"))
    leases = [one.lease for one in protocol.claim("a", "b", lease_seconds=1)]
    before = protocol.session("a")["lease_until"]
    protocol.query("update sessions set lease_token = 999 where id = 'b'")
    stranger = Lease(AGENT, "nobody", leases[0].token)
    assert renew(protocol.store, [*leases, stranger], 60) == {leases[0]}
    assert protocol.session("a")["lease_until"] > before


def test_a_lease_is_given_back_by_its_holder_only(protocol, rival):
    protocol.accept(new("a"), new("b"))
    leases = [one.lease for one in protocol.claim("a", "b")]
    protocol.query("update sessions set lease_token = 999 where id = 'b'")
    release(protocol.store, leases)
    assert [one.lease.session_id for one in rival.claim("a", "b")] == ["a"]


def test_an_announcement_needs_the_lease(protocol):
    wanted = new()
    protocol.accept(wanted)
    claimed = protocol.claim_one()
    assert announce(protocol.store, claimed.lease, wanted.id)
    assert protocol.interactions()[0]["started_at"]
    assert not announce(protocol.store, replace(claimed.lease, token=-1), wanted.id)


def test_due_work_that_nobody_is_at_is_found(protocol, rival):
    protocol.accept(new("idle"), new("held"), new("later"), new("idle", kind="chat", name=None))
    rival.claim_one("held")
    protocol.query("update interactions set available_at = now() + interval '1 hour' where session_id = 'later'")
    keys = [(AGENT, session) for session in ("idle", "held", "later", "unknown")]
    found = find_free(protocol.store, keys, 60.0)
    assert [(row.id, row.kind, row.young) for row in found] == [("idle", "hook", True)]
    assert [row.young for row in find_free(protocol.store, keys, 0.0)] == [False]


def test_what_came_while_its_session_was_leased_is_woken_after(protocol):
    woken: list[Wake] = []
    again = Recheck(protocol.settings, woken.extend)
    protocol.accept(new("s"))
    claimed = protocol.claim_one("s")
    protocol.accept(new("s", kind="chat", name=None))
    again.add([(AGENT, "s")])
    again.stop()
    assert woken == []
    protocol.finish(claimed, done(claimed.work[0]))
    again = Recheck(protocol.settings, woken.extend)
    again.add([(AGENT, "s"), (AGENT, "nobody")])
    wait_until(lambda: woken == [Wake("chat", AGENT, "s")])
    again.stop()
