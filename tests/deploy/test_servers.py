"""Pumice on servers as hosts offer them: other versions, passwords, TLS, addresses with another scheme."""

import pytest

from tests.deploy import servers
from tests.deploy.conftest import migrated
from tests.deploy.daemons import running
from tests.deploy.journey import try_everything


def test_postgres_15(deploy, open_folder):
    daemon, administrator = servers.postgres(open_folder)
    with running(daemon), migrated(administrator) as url, deploy(DATABASE_URL=url) as stack:
        assert stack.query("show server_version_num")[0]["server_version_num"].startswith("15")
        try_everything(stack.agent("desk"))


@pytest.mark.faults
def test_redis_7_with_a_password_and_a_database(deploy, open_folder):
    daemon, url = servers.redis_server(open_folder)
    with running(daemon), deploy(REDIS_URL=url) as stack:
        try_everything(stack.agent("desk"))


@pytest.mark.faults
def test_redis_with_a_certificate_of_its_own(deploy, open_folder):
    daemon, url = servers.redis_with_tls(open_folder)
    with running(daemon), deploy(REDIS_URL=url) as stack:
        try_everything(stack.agent("desk"))
