"""The pytest plugin: the fixture `pumice_session`, for tests of an author's agents.

def test_orders(pumice_session):
    desk = pumice_session(OrderDesk, "c1")
    assert desk.chat("hi") == "You have 0 orders."
"""

import pytest

from pumice.testing.session_factory import SessionFactory


@pytest.fixture
def pumice_session(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> SessionFactory:
    """Make sessions of agents under test: `pumice_session(OrderDesk, "c1")`; see `pumice.testing.session`.

    `pumice_session("c1.jsonl", OrderDesk)` makes one that stands where an export ended, its file's path being relative
    to the test's own file.

    With `--pdb` and `--trace` turns have no time limits, and sync handlers run on the test's own thread.
    """
    debugged = pytestconfig.getoption("usepdb", False) or pytestconfig.getoption("trace", False)
    return SessionFactory(time_limits=not debugged, folder=request.path.parent)
