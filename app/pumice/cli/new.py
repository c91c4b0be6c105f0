"""`pumice new`: a project of one's own."""

import re
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from pumice.cli.failing import Failed

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
"""A project's name: it is the agent's id too, and stands in addresses and in `.env`."""
SUFFIX = ".tmpl"
"""Ends the names of templates, which no tool takes for a project's own files."""
PRIVATE = ".env"
"""The file that only its owner may read: settings hold passwords."""
HARMLESS = {".git"}
"""What a folder may hold already."""


@click.command()
@click.argument("name")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="The folder to fill.  [default: NAME, in this folder]"
)
def new(name: str, folder: Path | None) -> None:
    """Make a project called NAME: an agent, its test, and what it takes to run and deploy it."""
    if not NAME.fullmatch(name):
        rule = "begin with a letter, go on with letters, digits, - and _, and use at most 63"
        raise Failed(f"pumice: {name!r} can't be a project's name: {rule}")
    target = folder or Path(name)
    try:
        made = _fill(target, name)
    except OSError as error:
        raise Failed(f"pumice: {error.filename or target} can't be made: {error.strerror}") from None
    click.echo(f"made {', '.join(made)} in {target}")
    click.echo(f"next: cd {target}; python -m pip install -r requirements-dev.txt; pumice dev")


def _fill(target: Path, name: str) -> list[str]:
    """Write the project's files. Returns their names. Raises `Failed` if the folder holds something already."""
    target.mkdir(parents=True, exist_ok=True)
    if held := sorted({path.name for path in target.iterdir()} - HARMLESS):
        raise Failed(f"pumice: {target} is not empty (it holds {held[0]}): choose another NAME or --dir")
    contents = _contents(name)
    for file, text in contents.items():
        path = target / file
        path.touch(mode=0o600 if file == PRIVATE else 0o666, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    return list(contents)


def _contents(name: str) -> dict[str, str]:
    """The project's files: what is in each, by name."""
    values = {"name": name, "version": metadata.version("pumice")}
    templates = (files("pumice.cli") / "templates" / "project").iterdir()
    texts = {one.name.removesuffix(SUFFIX): one.read_text(encoding="utf-8") for one in templates}
    return {file: Template(texts[file]).substitute(values) for file in sorted(texts)}
