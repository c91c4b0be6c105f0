"""The files that deployments read say the same thing."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
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


def test_the_image_runs_as_its_own_user_and_from_the_lock():
    dockerfile = (ROOT / "bin" / "Dockerfile").read_text()
    assert re.search(r"^USER pumice$", dockerfile, re.MULTILINE)
    assert "-r requirements.lock" in dockerfile


def test_the_lock_pins_and_hashes_everything_and_names_no_place():
    lock = (ROOT / "requirements.lock").read_text()
    names = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(chain(declared["dependencies"], *declared["optional-dependencies"].values()))
    assert {re.split(r"[\[>=]", one)[0] for one in wanted} <= names
    assert lock.count("==") - len(re.findall(r"_version == |_machine == |platform == ", lock)) >= len(names)
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:])
    assert not re.search(r"https?://|file:|--index|--find-links|^[^#]*@ ", lock, re.MULTILINE)
