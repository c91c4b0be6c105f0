"""An author's mistake as one line: where it is, what it is."""

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType

from pumice.errors import DeclarationError

IsAuthors = Callable[[str], bool]
"""Tells whether a file is one of the author's own."""


def one_line(error: BaseException, is_authors: IsAuthors) -> str:
    """`file:line: what is wrong`, for an exception that importing agents raised.

    The place is the author's innermost line. For a wrong declaration, which no line of the author's raises, it is the
    class or method that is declared.
    """
    for one in (_origin(error), error):
        place = _declared_at(one) if isinstance(one, DeclarationError) else None
        if place := place or _raised_at(one, is_authors):
            return " ".join(f"{place}: {_what(one)}".split())
    return " ".join(_what(error).split())


def _origin(error: BaseException) -> BaseException:
    """What the author's code raised, if `error` only reports it."""
    return error.__cause__ if isinstance(error, DeclarationError) and error.__cause__ else error


def _declared_at(error: DeclarationError) -> str | None:
    """Where the method that `error` names is declared. For a class, its own line raised the error."""
    class_name, _, attribute = error.where.partition(".")
    for frame, _line in traceback.walk_tb(error.__traceback__):
        cls = frame.f_locals.get("cls")
        if isinstance(cls, type) and cls.__name__ == class_name:
            method = inspect.getattr_static(cls, attribute, None)
            code = getattr(getattr(method, "__func__", method), "__code__", None)
            if isinstance(code, CodeType):
                return f"{_shown(code.co_filename)}:{code.co_firstlineno}"
    return None


def _raised_at(error: BaseException, is_authors: IsAuthors) -> str | None:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_authors(frame.filename)]
    return f"{_shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else None


def _what(error: BaseException) -> str:
    """The exception's type and message. A message that can't be had is left out."""
    if isinstance(error, DeclarationError):
        return str(error)
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException:
        message = ""
    return ": ".join(filter(None, [type(error).__name__, message]))


def _shown(file: str) -> str:
    """The file as seen from the working directory, if it is below that."""
    path = Path(file).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
