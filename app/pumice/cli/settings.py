"""`pumice settings`: what every setting is here, and where that comes from."""

import sys
from pathlib import Path
from typing import Any

import click

from pumice.cli.instance import find_instance, instance_option
from pumice.cli.output import json_option, print_json, print_table
from pumice.settings import Settings


@click.command()
@json_option
@instance_option
def settings(data_dir: Path, *, as_json: bool) -> None:
    """List every setting with its value, default and source. Passwords and keys are hidden."""
    values, problems = Settings.as_far_as_valid()
    wrong = dict(problems)
    instance = find_instance(data_dir)
    rows = [_row(values, name, wrong) for name in Settings.model_fields]
    if as_json:
        print_json(rows)
    else:
        cells = [(row["name"], row["value"], row["default"], row["source"]) for row in rows]
        print_table(("SETTING", "VALUE", "DEFAULT", "SOURCE"), cells)
    if instance.runs:
        click.echo(f"a pumice dev runs on {data_dir}; commands use its servers: see {data_dir}/dev.json", err=True)
    for variable, what in problems:
        click.echo(f"{variable} {what}", err=True)
    sys.exit(1 if problems else 0)


def _row(values: Settings, name: str, wrong: dict[str, str]) -> dict[str, Any]:
    variable, field = name.upper(), Settings.model_fields[name]
    source = "environment" if Settings.is_given(name) else "default"
    return {
        "name": variable,
        "value": None if variable in wrong else values.shown(name),
        "default": None if field.is_required() else _shown(field.default),
        "source": f"{source}, wrong" if variable in wrong and source == "environment" else source,
        "description": field.description,
    }


def _shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
