"""Which installation a command is about.

The running `pumice dev` of this folder, if there is one: its data directory has `dev.json`. Else what the environment
names: DATABASE_URL and, for requests, `--url` or PUMICE_URL.
"""

import fcntl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from pumice.cli.failing import Failed
from pumice.settings import Settings

T = TypeVar("T", bound=Callable[..., Any])
DATA_DIR = Path(".pumice")


@dataclass(frozen=True)
class Instance:
    """A running `pumice dev` as its dev.json describes it, or one without anything when none runs.

    `keys` has each agent's `publicKey` and `secretKey`; `declaration` is what is served, as in AGENTS.
    """

    url: str = ""
    database_url: str = ""
    redis_url: str = ""
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    declaration: str = ""

    @property
    def runs(self) -> bool:
        """Whether there is one."""
        return bool(self.url)

    @property
    def settings(self) -> dict[str, str]:
        """Where it is and what it serves, as variables; empty when none runs."""
        given = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "PORT": self.url.rpartition(":")[2],
            "AGENTS": self.declaration,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Front:
    """Where to send requests, and the key to send with them."""

    url: str
    key: str = field(repr=False)


def instance_option(command: T) -> T:
    """Give a command `--data-dir`."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DATA_DIR,
        show_default=True,
        help="Where a running `pumice dev` keeps its data.",
    )(command)


def find_instance(data_dir: Path) -> Instance:
    """The `pumice dev` that runs on this data directory."""
    content = _read(data_dir / "dev.json")
    if not content or _is_left(data_dir / "lock"):
        return Instance()
    return Instance(
        url=content["url"],
        database_url=content["databaseUrl"],
        redis_url=content["redisUrl"],
        keys=content["agents"],
        declaration=_read(data_dir / "agents.json").get("declaration", ""),
    )


def settings_of(data_dir: Path) -> Settings:
    """The settings, with the servers of the `pumice dev` that runs on this data directory, if one does.

    Says so when DATABASE_URL names another database. Raises `SettingsError`.
    """
    instance = find_instance(data_dir)
    if not instance.runs:
        return Settings.from_env()
    own, _ = Settings.as_far_as_valid()
    if Settings.is_given("database_url") and own.database_url != instance.database_url:
        click.echo(f"using the running pumice dev ({data_dir}/dev.json), not DATABASE_URL", err=True)
    return Settings.with_values(instance.settings)


def front_of(
    context: click.Context, agent: str, data_dir: Path, url: str | None, key: str | None, *, secret: bool = False
) -> Front:
    """The front that a request for an agent goes to, and the key to send.

    That is what the command line names; else the `pumice dev` that runs on this data directory; else what the
    environment names. secret: whether it is the agent's secret key. Raises `click.ClickException` when there is none.
    """
    instance = find_instance(data_dir)
    named = context.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE
    if instance.runs and not named:
        if agent not in instance.keys:
            raise Failed(f"pumice: the running pumice dev has no agent {agent!r}: it serves {', '.join(instance.keys)}")
        given = key if context.get_parameter_source("key") is click.core.ParameterSource.COMMANDLINE else None
        return Front(instance.url, given or instance.keys[agent]["secretKey" if secret else "publicKey"])
    if not url:
        raise Failed("pumice: no pumice dev runs here: name a front with --url or PUMICE_URL")
    if not key:
        raise Failed("pumice: name a key with --key or PUMICE_API_KEY: `pumice keys create` makes one")
    return Front(url.rstrip("/"), key)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_left(lock: Path) -> bool:
    """Whether dev.json was left behind: a `pumice dev` that runs holds this lock."""
    try:
        with lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return False
    return True
