"""`pumice check`: is everything there that Pumice needs?"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import click

from pumice.cli.failing import one_line
from pumice.cli.instance import find_instance, instance_option
from pumice.cli.output import clean, json_option, print_json
from pumice.settings import Settings, environ_over, misspelled, without_password

Check = Callable[[Settings], Iterator["Finding"]]


class Finding(NamedTuple):
    """One thing that was looked at: what it is called, whether it is well, and what is to be said of it.

    warns: nothing is wrong, and yet somebody should look.
    """

    name: str
    well: bool
    text: str
    warns: bool = False

    @property
    def mark(self) -> str:
        """What stands before it."""
        if not self.well:
            return click.style("wrong", fg="red")
        return click.style("warn ", fg="yellow") if self.warns else click.style("ok   ", fg="green")


@click.command()
@json_option
@instance_option
def check(data_dir: Path, *, as_json: bool) -> None:
    """Check the settings, the agents, Postgres, Redis and the broker; everything that is wrong is explained.

    What the environment does not set is taken from a running `pumice dev`.
    """
    instance = find_instance(data_dir)
    if instance.runs:
        click.echo(f"what is not set is taken from the running pumice dev ({data_dir}/dev.json)", err=True)
    findings = list(_findings(environ_over(instance.settings)))
    well = all(finding.well for finding in findings)
    if as_json:
        checks = [{"name": f.name, "ok": f.well, "warning": f.warns, "message": f.text} for f in findings]
        print_json({"ok": well, "checks": checks})
    else:
        for finding in findings:
            click.echo(f"{finding.mark} {finding.name}: {clean(finding.text)}")
    sys.exit(0 if well else 1)


def _findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """What there is to say of the settings, and of all that can be looked at with those that are right."""
    settings, problems = Settings.as_far_as_valid(environ)
    for variable, what in problems:
        field = Settings.model_fields.get(variable.lower())
        yield Finding(variable, False, f"{what} ({field.description})" if field else what)
    for variable, what in misspelled(environ):
        yield Finding(variable, False, what)
    if not problems:
        yield Finding("settings", True, f"all {len(Settings.model_fields)} are valid")
    wrong = {variable for variable, _ in problems}
    for name, look in _CHECKS.items():
        found = [] if name in wrong else list(_guarded(name, look, settings))
        yield from found
        if name in wrong or not all(finding.well for finding in found):
            wrong.update(_NEEDING.get(name, ()))


def _guarded(name: str, look: Check, settings: Settings) -> Iterator[Finding]:
    try:
        yield from look(settings)
    except Exception as error:
        yield Finding(name, False, without_password(one_line(error)))


def _agents(settings: Settings) -> Iterator[Finding]:
    from pumice.agents.registry import load_agents
    from pumice.errors import DeclarationError

    if not settings.agents:
        yield Finding("AGENTS", False, "is not set, so nothing is served: AGENTS=id=module:Class,…")
        return
    wrong = False
    for entry in filter(None, map(str.strip, settings.agents.split(","))):
        try:
            load_agents(entry)
        except DeclarationError as error:
            wrong = True
            yield Finding("AGENTS", False, _from_here(one_line(error)))
    if not wrong:
        yield Finding("AGENTS", True, f"serving {', '.join(load_agents(settings.agents))}")


def _secrets(settings: Settings) -> Iterator[Finding]:
    from pumice.agents.registry import load_agents
    from pumice.agents.sources import wrong_secrets
    from pumice.settings import secrets_of

    wrong, hooks = False, 0
    for spec in load_agents(settings.agents).values():
        for address, group in spec.addresses.items():
            source = group[0].source
            if source is None:
                continue
            hooks += 1
            for variable, what in wrong_secrets(source, secrets_of):
                wrong = True
                yield Finding(variable, False, f"{what}: {spec.id}/{address} answers 503")
    if hooks and not wrong:
        yield Finding("secrets", True, f"{hooks} hooks have the secrets of their senders")


def _middleware(settings: Settings) -> Iterator[Finding]:
    from pumice.agents.middleware import load_middleware

    found = load_middleware(settings.middleware)
    if found:
        yield Finding("MIDDLEWARE", True, f"{len(found)} stand around every turn")


def _postgres(settings: Settings) -> Iterator[Finding]:
    from pumice.cli.database import schema_problem
    from pumice.cli.preflight import unset_pooled
    from pumice.sessions.schema import OLDEST_SERVER, look_at

    database = look_at(settings.database_url)
    if database.server_version < OLDEST_SERVER:
        text = f"PostgreSQL {database.server_version} answers; {OLDEST_SERVER} or newer is needed"
        yield Finding("DATABASE_URL", False, text)
    else:
        yield Finding("DATABASE_URL", True, f"PostgreSQL {database.server_version} answers")
    problem = schema_problem(database.revision)
    yield Finding("schema", problem is None, problem or f"is this version's ({database.revision})")
    if problem := unset_pooled(settings, database):
        yield Finding("DATABASE_POOLED", False, problem)


def _jobs(settings: Settings) -> Iterator[Finding]:
    from pumice.agents.registry import load_agents
    from pumice.sessions.connections import StoreConnection
    from pumice.sessions.job_rows import gone_jobs

    store = StoreConnection(settings.model_copy(update={"database_pooled": True}))  # any pooler takes that
    try:
        for spec in load_agents(settings.agents).values():
            for name, queued in gone_jobs(store, spec.id, list(spec.jobs)):
                text = (
                    f"is not in the code any more: it was removed or renamed; {queued} of its interactions are queued"
                )
                yield Finding(f"{spec.id}/{name}", True, text, warns=True)
    finally:
        store.close()


def _redis(settings: Settings) -> Iterator[Finding]:
    import redis

    with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
        server = client.info("server")
    kind, version = (
        ("Valkey", server["valkey_version"]) if "valkey_version" in server else ("Redis", server["redis_version"])
    )
    yield Finding("REDIS_URL", True, f"{kind} {version} answers")


def _broker(settings: Settings) -> Iterator[Finding]:
    from pumice.messaging.broker import ask_broker

    yield Finding("BROKER_URL", True, f"the broker answers ({ask_broker(settings)})")


def _from_here(text: str) -> str:
    """The text with files of the working directory named from there."""
    return text.replace(f"{Path.cwd()}/", "")


_CHECKS: dict[str, Check] = {
    "AGENTS": _agents,
    "secrets": _secrets,
    "MIDDLEWARE": _middleware,
    "DATABASE_URL": _postgres,
    "jobs": _jobs,
    "REDIS_URL": _redis,
    "BROKER_URL": _broker,
}
_NEEDING = {"AGENTS": ("secrets", "jobs"), "DATABASE_URL": ("jobs",)}
"""What can't be looked at where one of these is wrong."""
