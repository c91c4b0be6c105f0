"""The migrations make what the models say, and can be undone."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from pumice.cli.database import migrations_folder, revisions, upgrade_schema
from pumice.sessions.tables import Base
from tests.support.databases import database

ROOT = Path(__file__).parents[2]

COLUMNS = """
select table_name, column_name, data_type, collation_name, is_nullable, is_identity, identity_generation
from information_schema.columns where table_schema = 'public' and table_name <> 'alembic_version' order by 1, 2
"""
INDEXES = "select indexdef from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version' order by 1"
KEYS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'f') and conname <> 'alembic_version_pkc'
order by 1, 2
"""
OBJECTS = """
select relname from pg_class where relnamespace = 'public'::regnamespace union all
select proname from pg_proc where pronamespace = 'public'::regnamespace order by 1
"""


@pytest.fixture
def empty_url(postgres_server):
    """The address of an empty database without the schema."""
    with database(postgres_server.url("postgres")) as name:
        yield postgres_server.url(name)


def rows(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def engine(url):
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))


def config(url):
    made = Config()
    made.set_main_option("script_location", str(ROOT / "migrations"))
    made.set_main_option("sqlalchemy.url", engine(url).url.render_as_string(hide_password=False))
    return made


def test_the_models_and_the_migrations_agree(database_url):
    with engine(database_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("catalogue", [COLUMNS, INDEXES, KEYS])
def test_the_models_make_the_same_tables(database_url, empty_url, catalogue):
    Base.metadata.create_all(engine(empty_url))
    assert rows(empty_url, catalogue) == rows(database_url, catalogue)


def test_an_upgrade_can_be_undone_and_done_again(empty_url):
    upgrade_schema(empty_url)
    before = rows(empty_url, OBJECTS)
    command.downgrade(config(empty_url), "base")
    assert rows(empty_url, OBJECTS) == [("alembic_version",), ("alembic_version_pkc",)]
    upgrade_schema(empty_url)
    assert rows(empty_url, OBJECTS) == before


def test_an_upgrade_tells_which_revisions_it_applied(empty_url):
    assert upgrade_schema(empty_url) == revisions()
    assert upgrade_schema(empty_url) == []


def test_a_migrations_file_is_named_after_its_revision():
    scripts = ScriptDirectory(str(migrations_folder())).walk_revisions()
    assert [one.revision for one in scripts] == revisions()[::-1]


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(database_url):
    before = rows(database_url, OBJECTS)
    upgrade_schema(database_url)
    assert rows(database_url, OBJECTS) == before


def test_each_migration_can_be_undone_by_itself(empty_url):
    upgrade_schema(empty_url)
    steps = [one.revision for one in ScriptDirectory.from_config(config(empty_url)).walk_revisions()]
    for _ in steps:
        command.downgrade(config(empty_url), "-1")
    for _ in steps:
        command.upgrade(config(empty_url), "+1")
    assert rows(empty_url, "select version_num from alembic_version") == [(steps[0],)]


def test_releases_side_by_side_migrate_once(empty_url):
    release = [str(Path(sys.executable).with_name("pumice")), "db", "upgrade"]
    started = [
        subprocess.Popen(release, cwd=ROOT, env={"DATABASE_URL": empty_url}, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[0].splitlines() for process in started]
    assert [lines[-1] for lines in said] == [f"the schema is up to date ({revisions()[-1]})"] * 3
    applied = [line for lines in said for line in lines[:-1]]
    assert applied == [f"applied {revision}" for revision in revisions()]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert rows(empty_url, "select count(*) from alembic_version") == [(1,)]


def test_ids_made_in_the_database_are_uuids_of_version_7(database_url):
    made = [row[0] for row in rows(database_url, "select pumice_uuid7() from generate_series(1, 100)")]
    assert {one.version for one in made} == {7}
    assert len(set(made)) == 100
    now = rows(database_url, "select (extract(epoch from clock_timestamp()) * 1000)::bigint")[0][0]
    assert all(0 <= now - (one.int >> 80) < 60_000 for one in made)
