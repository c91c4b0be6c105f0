"""One deployment for all fault tests: each test leaves it, or finds it, whole."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.support.faults_workload")

from tests.support.faults_stack import Stack, running_stack  # noqa: E402 (its asserts are to be rewritten first)
from tests.support.faults_workload import check_prompt  # noqa: E402

EVERYTHING = ("web", "web2", "worker", "worker2", "beat", "beat2")


@pytest.fixture(scope="session")
def deployment() -> Iterator[Stack]:
    """Two of each process, started once."""
    with running_stack(*EVERYTHING) as stack:
        yield stack


@pytest.fixture
def stack(deployment: Stack) -> Iterator[Stack]:
    """The deployment, whole before the test, and consuming after it."""
    deployment.mend()
    yield deployment
    deployment.mend()
    check_prompt(deployment)
