"""How commands print data: aligned columns for people, JSON for programs."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import orjson

T = TypeVar("T", bound=Callable[..., Any])
ROWS = click.IntRange(1, 1_000_000)
"""How many rows a command may be asked to print."""


def json_option(command: T) -> T:
    """Give a command `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any) -> None:
    """Print a value as JSON; times are in ISO 8601."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def print_table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in aligned columns under their titles; nothing when there are none."""
    if not rows:
        return
    lines = [titles, *([clean(_text(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for number, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        click.secho(text, bold=number == 0)


def clean(text: str) -> str:
    """The text on one line, with what could steer a terminal written as escapes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)
