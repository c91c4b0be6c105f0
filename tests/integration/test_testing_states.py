"""Any state that a turn leaves is kept, or refused, under `pumice.testing` as it is in Postgres."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pumice import Agent, testing
from pumice.agents.context import History, new_id
from pumice.agents.live_session import LiveSession
from pumice.agents.spec import describe
from pumice.agents.turn import drive, run_turn
from tests.support.parity import exact
from tests.support.protocol import Protocol, new

LEFT: dict[str, Any] = {}
"""What the next turn leaves in the state: a real one takes it from here, because JSON could not carry it."""


class Keeper(Agent):
    class State(Agent.State):
        anything: Any = None
        ratio: float = 0.0
        count: int = 0
        text: str = ""
        names: dict[str, Any] = {}
        numbers: dict[int, float] = {}
        tags: set[str] = set()
        pair: tuple[int, ...] = ()
        moment: datetime | None = None
        price: Decimal = Decimal(0)
        raw: bytes = b""

    def keep(self):
        for name, value in LEFT.items():
            object.__setattr__(self.state, name, value)

    def find(self):
        return repr(self.state)


FLOATS = st.floats(allow_nan=True, allow_infinity=True)
INTEGERS = st.integers() | st.integers(min_value=-(10**400), max_value=10**400)
TEXT = st.text() | st.text(alphabet='\x00"\\\n\x7f\u2028é😀abu0', max_size=8)
PLAIN = st.none() | st.booleans() | INTEGERS | FLOATS | TEXT
ODD = (
    st.binary(max_size=4)
    | st.decimals(allow_nan=True)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(min_value=timedelta(days=-999), max_value=timedelta(days=999))
    | st.sets(st.integers(), max_size=3)
    | st.uuids()
    | st.just("\ud800")
    | st.builds(object)
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = TEXT | st.integers() | st.none() | st.booleans()
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5) | st.tuples(inner, inner),
        max_leaves=12,
    )


STATES = st.fixed_dictionaries(
    {},
    optional={
        "anything": nested(PLAIN) | nested(PLAIN | ODD),
        "ratio": FLOATS | st.integers() | st.just(True),
        "count": INTEGERS | st.just(1.5),
        "text": TEXT,
        "names": st.dictionaries(TEXT, PLAIN, max_size=6),
        "numbers": st.dictionaries(st.integers(), st.floats(allow_nan=False, allow_infinity=False), max_size=5),
        "tags": st.sets(st.text(alphabet="ab\x00", max_size=3), max_size=4),
        "pair": st.tuples(st.integers(), st.integers()) | st.lists(st.integers(), max_size=2),
        "moment": st.datetimes() | st.just(date(2026, 1, 1)),
        "price": st.decimals(allow_nan=True) | st.floats(),
        "raw": st.binary(max_size=4),
    },
)


def in_postgres(protocol: Protocol, method: str) -> tuple[str, str | None, str | None]:
    """A turn on the session `s`: its end, its error or result, and the state that the next claim finds."""
    call = new(kind="call", name=method, payload='{"args": [], "kwargs": {}}')
    protocol.accept(call)
    claimed = protocol.claim_one()
    live = LiveSession(describe(Keeper), "s", claimed.state, History())
    outcome = drive(run_turn(live, claimed.work[0], lambda *_: None))
    assert protocol.finish(claimed, outcome)
    protocol.accept(new(kind="call", name="find", payload='{"args": [], "kwargs": {}}'))
    state = protocol.claim_one().state
    protocol.query("delete from interactions where status = 'queued'")
    protocol.query("update sessions set lease_token = null")
    return outcome.status, outcome.failure.message if outcome.failure else outcome.result, state


def in_a_test(session: testing.AgentSession, method: str) -> tuple[str, str | None, str | None]:
    """The same under `pumice.testing`."""
    with suppress(Exception):
        session.call(method)
    one = session.interactions[-1]
    return one.status, one.errors[-1].message if one.errors else one.result, session._stored.state


@example(states=[{"ratio": -0.0, "anything": [-0.0, 1e300, 10**30]}])
@given(states=st.lists(STATES, min_size=1, max_size=3))
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_states_agree(protocol, states):
    protocol.empty()
    session = testing.session(Keeper, new_id())
    for state in states:
        LEFT.clear()
        LEFT.update(state)
        for method in ("keep", "find"):
            status, said, stored = in_postgres(protocol, method)
            tested_status, tested_said, tested_stored = in_a_test(session, method)
            assert (tested_status, tested_said) == (status, said)
            assert (tested_stored is None) == (stored is None)
            assert stored is None or exact(tested_stored or "") == exact(stored)
