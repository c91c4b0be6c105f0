"""`--where`: which sessions a command is about."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pumice.cli.failing import Failed
from pumice.cli.instance import settings_of
from pumice.cli.output import clean

if TYPE_CHECKING:
    from pumice.agents.conditions import Condition

T = TypeVar("T", bound=Callable[..., Any])


def where_option(command: T) -> T:
    """Give a command `--where`, which may be given several times."""
    text = 'Only sessions for which this holds: state.plan=pro, or JSON such as \'{"state.total": {"gt": 3}}\'.'
    return click.option("--where", multiple=True, metavar="FIELD=VALUE|JSON", help=text)(command)


def given_condition(data_dir: Path, agent: str, given: tuple[str, ...]) -> "Condition | None":
    """The condition of all `--where` together. Raises `Failed` for an agent that is not served here."""
    from pumice.agents.conditions import read_condition
    from pumice.cli.history import open_store
    from pumice.sessions.staleness import refresh_stale

    if not given:
        return None
    condition = read_condition(served_agent(data_dir, agent).State, given_fields(given), "--where")
    if condition.looks_at_state:
        with open_store(data_dir) as store:
            refresh_stale(store, agent)
    return condition


def served_agent(data_dir: Path, agent: str) -> type[Any]:
    """The class of an agent. Raises `Failed` for one that is not served here."""
    from pumice.agents.registry import load_agents

    settings = settings_of(data_dir)
    registry = load_agents(settings.agents, settings.middleware)
    if agent not in registry:
        raise Failed(clean(f"pumice: AGENTS names no agent {agent!r}, whose State a condition is checked against"))
    return registry[agent].cls


def given_fields(given: tuple[str, ...]) -> dict[str, Any]:
    """All `--where` together: all that they ask of a field must hold. Raises `Failed`."""
    fields: dict[str, Any] = {}
    for one in given:
        for name, asked in _fields(one).items():
            fields[name] = _both(name, fields[name], asked) if name in fields else asked
    return fields


def _both(name: str, first: Any, second: Any) -> dict[str, Any]:
    """What two `--where` ask of one field. Raises `Failed` when it is of the same kind."""
    first, second = _operators(first), _operators(second)
    if twice := set(first) & set(second):
        raise Failed(clean(f"pumice: --where asks {name} for {min(twice)} twice, and one field has one value"))
    return {**first, **second}


def _operators(asked: Any) -> dict[str, Any]:
    from pumice.agents.conditions import OPERATORS

    return asked if isinstance(asked, dict) and asked and set(asked) <= set(OPERATORS) else {"eq": asked}


def _fields(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise Failed(clean(f"pumice: --where {text}: is not JSON: {error}")) from None
        return dict(found)
    name, equals, value = text.partition("=")
    if not equals:
        raise Failed(clean(f"pumice: --where {text}: must look like state.plan=pro"))
    try:
        return {name: json.loads(value)}
    except ValueError:
        return {name: value}
