"""`pumice check`: is everything there that Pumice needs?"""

import sys
from collections.abc import Callable

import click

from pumice.errors import DeclarationError, PumiceError, SettingsError
from pumice.settings import Settings

Check = Callable[[Settings], str]
"""Says what is well; raises what is wrong."""


@click.command()
def check() -> None:
    """Check the settings, the agents, Postgres and Redis; every wrong one is explained."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        for variable, what in error.problems:
            field = Settings.model_fields.get(variable.lower())
            _report(variable, f"{what} ({field.description})" if field else what, well=False)
        sys.exit(1)
    _report("settings", f"all {len(Settings.model_fields)} are valid", well=True)
    results = [_run(name, one, settings) for name, one in _CHECKS.items()]
    sys.exit(0 if all(results) else 1)


def _run(name: str, one: Check, settings: Settings) -> bool:
    try:
        found = one(settings)
    except Exception as error:
        _report(name, str(error).strip() or type(error).__name__, well=False)
        return False
    _report(name, found, well=True)
    return True


def _report(name: str, text: str, *, well: bool) -> None:
    mark = click.style("ok   ", fg="green") if well else click.style("wrong", fg="red")
    click.echo(f"{mark} {name}: {text}")


def _agents(settings: Settings) -> str:
    from pumice.agents.registry import load_agents

    if not settings.agents:
        raise DeclarationError("AGENTS", "is not set, so nothing is served: AGENTS=id=module:Class,…")
    agents = load_agents(settings.agents, settings.middleware)
    return f"serving {', '.join(agents)}"


def _postgres(settings: Settings) -> str:
    import psycopg

    with psycopg.connect(settings.database_url, connect_timeout=5) as connection:
        version = connection.info.server_version // 10_000
        migrated = connection.execute("select to_regclass('interactions') is not null").fetchone()
    if not migrated or not migrated[0]:
        raise PumiceError("Postgres answers, but its schema isn't there: run `pumice db upgrade`")
    return f"Postgres {version} answers, its schema is there"


def _redis(settings: Settings) -> str:
    return _ping(settings.redis_url)


def _broker(settings: Settings) -> str:
    return _ping(settings.broker)


def _ping(url: str) -> str:
    import redis

    with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
        return f"{'Valkey' if 'valkey_version' in client.info('server') else 'Redis'} answers"


_CHECKS: dict[str, Check] = {
    "AGENTS": _agents,
    "DATABASE_URL": _postgres,
    "REDIS_URL": _redis,
    "BROKER_URL": _broker,
}
