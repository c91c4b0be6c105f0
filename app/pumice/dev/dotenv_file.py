"""Reads `.env`, the settings of one developer's machine."""

import io
import re
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from pumice.dev.errors import DevError

NAME = ".env"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables that the file at `path` sets; none when there is no such file.

    A value may refer to others as `${NAME}`. Raises `DevError` with the number of the first line that is wrong. Its
    message never quotes the line, which may hold a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise DevError(f"{path} can't be read: save it as UTF-8.") from None
    except OSError as error:
        raise DevError(f"{path} can't be read: {error.strerror}.") from None
    for binding in parse_stream(io.StringIO(text)):
        if problem := _problem(binding):
            raise DevError(f"{path}, line {_line(binding)}: {problem}")
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def _problem(binding: Binding) -> str | None:
    if binding.error:
        return "this is no setting: write NAME=value, and close every quote."
    if binding.key is None:
        return None
    if not _VARIABLE.fullmatch(binding.key):
        return "this is no variable's name: use letters, digits and '_'."
    if binding.value is None:
        return f"{binding.key} has no value: write {binding.key}=value."
    if "\0" in binding.value:
        return f"the value of {binding.key} holds a null character."
    return None


def _line(binding: Binding) -> int:
    """The line on which the setting begins: a binding takes the empty lines before it along."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
