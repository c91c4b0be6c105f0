"""The scheme of suspects as a whole: any culprits, any of which may spare a process, any number of innocents."""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pumice.sessions.leases import announce
from pumice.sessions.rescue import rescue
from pumice.sessions.suspects import clear, group_ended, list_groups, list_members, take_place
from tests.support.protocol import AGENT, done, new

CRASH_LIMIT = 3
MOST_CRASHES = 5
"""Crashes that an innocent among 60 may see: its worker's, and one for each of the splits 60, 8, 1; one to spare."""
ROUNDS = 100


class Scheme:
    """Sessions that a worker held when it was lost, and the quarantine that runs them, one process after the other."""

    def __init__(self, protocol, names):
        self.protocol = protocol
        self.store = protocol.store
        for table in ("interactions", "sessions", "messages"):
            protocol.query(f"delete from {table}")
        protocol.accept(*(new(name) for name in names))
        protocol.claim(*names, worker=1)
        protocol.query("update sessions set lease_until = now() - interval '1 s'")
        protocol.query("update interactions set wake_at = now()")
        self.rescue()

    def rescue(self):
        assert rescue(self.store, crash_limit=CRASH_LIMIT) is not None

    def run(self, group, kills, finished_first):
        """A group's process: it claims all, finishes some, and then the culprit kills it, if there is one that does."""
        worker = 1000 + abs(group)
        claimed = self.protocol.claim(
            *(name for _, name in list_members(self.store, group, [AGENT])), group=group, worker=worker
        )
        for one in claimed:
            assert announce(self.store, one.lease, one.work[0].id)
        culprits = [one for one in claimed if kills(one.lease.session_id)]
        assert group > 0 or len(claimed) <= 1
        others = [one for one in claimed if one not in culprits]
        for one in others[:finished_first] if culprits else others:
            self.protocol.finish(one, done(one.work[0]))
        clear(self.store, group)
        group_ended(self.store, group, worker, lost=bool(culprits))
        self.rescue()


@settings(
    max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(1, 60),
    always=st.sets(st.integers(0, 59), max_size=5),
    sometimes=st.sets(st.integers(0, 59), max_size=3),
    random=st.randoms(use_true_random=False),
)
def test_only_culprits_are_blamed_and_everything_ends(protocol, count, always, sometimes, random):
    names = [f"s{number:02}" for number in range(count)]
    always = {names[place] for place in always if place < count}
    sometimes = {names[place] for place in sometimes if place < count} - always
    scheme = Scheme(protocol, names)
    for _ in range(ROUNDS):
        groups = list_groups(scheme.store, [AGENT])
        for group in groups:
            scheme.run(
                group.id,
                lambda name: name in always or (name in sometimes and random.random() < 0.5),
                random.randrange(9),
            )
        if not groups:
            break
    rows = {row["session_id"]: row for row in protocol.query("select * from interactions")}
    assert {row["status"] for name, row in rows.items() if name in always} <= {"dead"}
    assert {row["status"] for name, row in rows.items() if name not in always | sometimes} <= {"done"}
    assert {name for name, row in rows.items() if row["errors"]} <= always | sometimes
    assert all(row["crashes"] <= MOST_CRASHES for name, row in rows.items() if name not in always | sometimes)
    assert all(len(rows[name]["errors"]) == CRASH_LIMIT for name in always)
    assert protocol.query("select id from sessions where probation") == []


def test_a_quarantine_that_is_not_seen_has_lost_its_place(protocol):
    protocol.query("delete from workers")
    first = take_place(protocol.store, ["a", "b"])
    assert first is not None
    assert take_place(protocol.store, ["b", "a"]) is None
    other = take_place(protocol.store, ["b"])
    assert other not in {None, first}
    protocol.query("update workers set seen_at = now() - interval '4 s' where id = %s", first)
    assert take_place(protocol.store, ["a", "b"]) is not None
