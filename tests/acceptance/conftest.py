"""What several acceptance tests share."""

import pytest

from pumice.dev.servers import temporary_folder
from tests.support.databases import database
from tests.support.wheels import build_wheel, install_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installation(wheel):
    """An environment with the wheel. Postgres's account reaches the servers in it."""
    with temporary_folder() as folder:
        yield install_wheel(wheel, folder / "environment")


@pytest.fixture
def empty_database(postgres_server):
    """The address of a database without the schema, for one test."""
    with database(postgres_server.url("postgres")) as name:
        yield postgres_server.url(name)
