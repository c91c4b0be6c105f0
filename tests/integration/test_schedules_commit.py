"""Schedules in a turn's commit: exactly as the turn asked, one for each key, with the turn or not at all."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumice.agents.scheduling import NewSchedule, ScheduleOperation, Unschedule
from pumice.agents.turn import Outcome
from tests.support.protocol import Protocol, new, part
from tests.support.schedules import cron, every, fire, fired, make_due, once, rows, turn

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def test_the_same_recurring_schedule_on_each_start_is_one_and_keeps_its_time(protocol: Protocol):
    turn(protocol, every())
    [first] = rows(protocol).values()
    for _ in range(9):
        turn(protocol, every())
    [last] = rows(protocol).values()
    assert last == first
    assert first["next_at"] == first["created_at"] + timedelta(minutes=1)


@pytest.mark.parametrize(
    "other", [every(61.0), every(method="other"), every(payload='{"args":[],"kwargs":{}}'), cron()]
)
def test_another_schedule_replaces_the_one_of_its_key(protocol: Protocol, other: NewSchedule):
    turn(protocol, every(3_600.0))
    [first] = rows(protocol).values()
    turn(protocol, other)
    [row] = rows(protocol).values()
    assert (row["method"], row["every"], row["cron"]) == (other.method, other.every, other.cron)
    assert row["next_at"] != first["next_at"]
    assert row["created_at"] == first["created_at"]
    assert row["updated_at"] > first["updated_at"]


def test_one_that_is_due_once_is_put_off_by_the_next(protocol: Protocol):
    turn(protocol, once(at=FAR))
    turn(protocol, once(at=FAR + timedelta(days=1)))
    assert [row["next_at"] for row in rows(protocol).values()] == [FAR + timedelta(days=1)]
    turn(protocol, once(delay=10.0))
    [row] = rows(protocol).values()
    assert row["next_at"] == row["updated_at"] + timedelta(seconds=10)


def test_a_turn_that_lost_its_lease_changes_nothing(protocol: Protocol):
    assert not turn(protocol, every(), lost=True, timezone="Europe/Berlin")
    assert protocol.session()["timezone"] is None
    assert rows(protocol) == {}


def test_the_order_of_operations_in_a_turn_counts(protocol: Protocol):
    turn(protocol, every(), Unschedule("k"), once("other", at=FAR))
    assert set(rows(protocol)) == {"other"}
    turn(protocol, Unschedule("other"), every(key="other"))
    assert rows(protocol)["other"]["every"] == 60.0


def test_unscheduling_and_scheduling_again_begins_anew(protocol: Protocol):
    turn(protocol, every(3_600.0))
    [first] = rows(protocol).values()
    turn(protocol, Unschedule("k"), every(3_600.0))
    [row] = rows(protocol).values()
    assert row["next_at"] > first["next_at"]
    assert row["created_at"] > first["created_at"]


def test_unscheduling_cancels_what_was_fired_and_nobody_started(protocol: Protocol):
    turn(protocol, every(), once("other", delay=0.0))
    make_due(protocol)
    fire(protocol)
    assert {row["schedule_key"] for row in fired(protocol)} == {"k", "other"}
    claimed = protocol.claim_one()
    other = next(work for work in claimed.work if work.id == str(_fired(protocol, "other")["id"]))
    assert protocol.finish(claimed, Outcome(other, schedules=[Unschedule("k"), Unschedule("other")]))
    assert rows(protocol) == {}
    assert (_fired(protocol, "k")["status"], _fired(protocol, "k")["reason_code"]) == ("cancelled", "unscheduled")
    assert _fired(protocol, "other")["status"] == "done"


def _fired(protocol: Protocol, key: str):
    return next(row for row in fired(protocol) if row["schedule_key"] == key)


def test_turns_committed_together_count_in_their_order(protocol: Protocol):
    protocol.accept(new(), new(), new())
    claimed = protocol.claim_one()
    asked: list[list[ScheduleOperation]] = [[every(5.0), every(key="b")], [Unschedule("b")], [every(6.0)]]
    outcomes = [Outcome(work, schedules=one) for work, one in zip(claimed.work, asked, strict=True)]
    assert protocol.finish(claimed, *outcomes)
    assert {key: row["every"] for key, row in rows(protocol).items()} == {"k": 6.0}


def test_a_key_belongs_to_its_session(protocol: Protocol):
    protocol.accept(new("a"), new("b"))
    one, other = protocol.claim("a", "b")
    assert (
        len(
            protocol.commit(
                part(one, Outcome(one.work[0], schedules=[every(5.0)])),
                part(other, Outcome(other.work[0], schedules=[every(6.0)])),
            )
        )
        == 2
    )
    turn(protocol, Unschedule("k"), session="a")
    assert (rows(protocol, "a"), rows(protocol, "b")["k"]["every"]) == ({}, 6.0)


def test_a_commit_that_is_tried_again_changes_nothing_more(protocol: Protocol):
    protocol.accept(new())
    claimed = protocol.claim_one()
    changes = part(claimed, Outcome(claimed.work[0], schedules=[Unschedule("k"), every()]), release=False)
    assert protocol.commit(changes)
    first = rows(protocol)
    assert protocol.commit(changes, unsure=True) == {claimed.lease}
    assert rows(protocol) == first


def test_a_schedule_in_the_sessions_timezone_follows_it(protocol: Protocol):
    turn(protocol, cron("0 9 * * *", timezone="session"), cron(key="utc"))
    assert rows(protocol)["k"]["next_at"] == rows(protocol)["utc"]["next_at"]
    turn(protocol, timezone="Asia/Tokyo")
    assert protocol.session()["timezone"] == "Asia/Tokyo"
    fire(protocol)
    assert fired(protocol) == []
    assert rows(protocol)["k"]["next_at"].astimezone(UTC).hour == 0
    assert rows(protocol)["utc"]["next_at"].astimezone(UTC).hour == 9
    turn(protocol, cron("0 9 * * *", timezone="session"), timezone="America/New_York")
    assert rows(protocol)["k"]["next_at"].astimezone(UTC).hour in {13, 14}
    turn(protocol, timezone=None)
    fire(protocol)
    assert rows(protocol)["k"]["next_at"].astimezone(UTC).hour == 9


def test_a_session_that_was_moved_while_its_turn_ran_has_its_schedules_where_it_is(protocol: Protocol):
    protocol.accept(new())
    claimed = protocol.claim_one()
    protocol.query("update sessions set timezone = 'Asia/Tokyo'")
    assert protocol.finish(claimed, Outcome(claimed.work[0], schedules=[cron(timezone="session")]))
    fire(protocol)
    assert rows(protocol)["k"]["next_at"].astimezone(UTC).hour == 0


def test_an_identical_schedule_that_was_paused_is_tried_again(protocol: Protocol):
    turn(protocol, cron())
    protocol.query("update schedules set next_at = null, error = 'no such timezone'")
    turn(protocol, cron())
    [row] = rows(protocol).values()
    assert row["error"] is None
    assert row["next_at"] is not None


KEYS = st.sampled_from("abc")
OPERATIONS = st.one_of(
    st.builds(Unschedule, KEYS),
    st.builds(every, st.sampled_from([60.0, 90.0]), KEYS),
    st.builds(cron, st.sampled_from(["0 9 * * *", "0 10 * * *"]), KEYS),
    st.builds(lambda key, days: once(key, at=FAR + timedelta(days=days)), KEYS, st.integers(0, 1)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.tuples(st.lists(OPERATIONS, max_size=5), st.booleans()), max_size=4))
def test_any_operations_in_any_turns_come_to_what_they_say(protocol: Protocol, turns):
    protocol.empty()
    model: dict[str, tuple[NewSchedule, int]] = {}
    seen: dict[str, tuple[int, datetime]] = {}
    number = 0
    for operations, fails in turns:
        turn(protocol, *operations, lost=fails)
        for one in () if fails else operations:
            number += 1
            if isinstance(one, Unschedule):
                model.pop(one.key, None)
            elif one.key not in model or model[one.key][0] != one or one.at is not None:
                model[one.key] = one, number
        stored = rows(protocol)
        assert {key: (row["every"], row["cron"], row["method"]) for key, row in stored.items()} == {
            key: (one.every, one.cron, one.method) for key, (one, _) in model.items()
        }
        for key, (one, made) in model.items():
            if one.at is not None:
                assert stored[key]["next_at"] == one.at
            elif key in seen and seen[key][0] == made:
                assert stored[key]["next_at"] == seen[key][1]
        seen = {key: (made, stored[key]["next_at"]) for key, (_, made) in model.items()}
