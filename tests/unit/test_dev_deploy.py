"""The files that deployments read say the same thing."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.support.locks import BUILD, DEVELOPMENT, INSTALLER, PRODUCTION, read_lock

ROOT = Path(__file__).parents[2]
LOCKS = (PRODUCTION, DEVELOPMENT, BUILD, INSTALLER)
TABLES = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TABLES["project"]
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def test_compose_runs_the_procfiles_commands():
    names = {"release": "migrate", "web": "web", "worker": "worker", "beat": "beat"}
    assert {name: " ".join(SERVICES[names[name]]["command"]) for name in PROCFILE} == PROCFILE


def test_compose_migrates_before_anything_serves():
    for name in ("web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert SERVICES[name]["stop_grace_period"] == "30s"
    assert "migrate" not in SERVICES["migrate"]["depends_on"]


def test_compose_waits_for_healthy_servers():
    for name in ("postgres", "valkey", "web"):
        assert SERVICES[name]["healthcheck"]["test"]
    for server in ("postgres", "valkey"):
        assert SERVICES["migrate"]["depends_on"].get(server) in (None, {"condition": "service_healthy"})
        assert SERVICES["web"]["depends_on"][server] == {"condition": "service_healthy"}


def test_the_image_runs_as_its_own_user_and_from_the_production_lock():
    dockerfile = (ROOT / "bin" / "Dockerfile").read_text()
    assert re.search(r"^USER pumice$", dockerfile, re.MULTILINE)
    assert "ARG LOCK=requirements.lock" in dockerfile
    assert dockerfile.count("install --no-deps") == dockerfile.count("pip install") + dockerfile.count("python install")


def test_the_image_and_heroku_run_the_same_python():
    python = (ROOT / ".python-version").read_text().strip()
    images = re.findall(r"^FROM python:(\S+)-slim", (ROOT / "bin" / "Dockerfile").read_text(), re.MULTILINE)
    assert set(images) == {python}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_and_hashes_everything_and_names_no_place(path):
    text = path.read_text()
    packages = read_lock(path)
    assert len(packages) == len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE))
    assert all(re.fullmatch(r"==[\w.]+", str(one.requirement.specifier)) and one.hashes for one in packages.values())
    assert not re.search(r"https?://|file:|--index|--find-links|^[^#]*@ ", text, re.MULTILINE)


def test_the_production_lock_holds_what_pumice_declares_and_nothing_for_development():
    names = set(read_lock(PRODUCTION))
    assert declared(PROJECT["dependencies"]) <= names
    groups = TABLES["dependency-groups"]
    extras = dict(PROJECT["optional-dependencies"])
    assert declared(extras.pop("signatures")) <= names
    optional = declared(chain(*extras.values(), *groups.values()))
    shared = {"packaging"}  # kombu's Redis transport imports it, and so do tests
    assert names.isdisjoint((optional | {"openai", "anthropic", "google-genai", "groq"}) - shared)


def test_the_development_lock_holds_the_production_lock_in_the_same_versions():
    production, development = read_lock(PRODUCTION), read_lock(DEVELOPMENT)
    assert {name: development[name].version for name in production} == {
        name: one.version for name, one in production.items()
    }
    groups = TABLES["dependency-groups"]
    extras = PROJECT["optional-dependencies"]
    wanted = chain(
        extras["dev"], extras["openai"], extras["signatures"], groups["build"], groups["lint"], groups["test"]
    )
    assert declared(wanted) <= set(development)


def declared(requirements):
    return {Requirement(one).name for one in requirements}
