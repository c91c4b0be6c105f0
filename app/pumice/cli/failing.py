"""How commands fail: one line on stderr that says what is wrong and what to do, and exit status 1."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pumice.errors import PumiceError, SettingsError

T = TypeVar("T")
UPGRADE = "run `pumice db upgrade`"


class Commands(click.Group):
    """The `pumice` command. What an operator can mend is told in a line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        return explained(lambda: super(Commands, self).invoke(ctx))


class Failed(click.ClickException):
    """What is wrong, as lines."""

    def show(self, file: Any = None) -> None:
        """Print them."""
        click.echo(self.message, file=file, err=True)


def explained(run: Callable[[], T]) -> T:
    """Call `run`. Raises `Failed` for what an operator can mend: settings, agents, and the servers' errors."""
    try:
        return run()
    except SettingsError as error:
        raise Failed(settings_lines(error)) from None
    except PumiceError as error:
        raise Failed(f"pumice: {one_line(error)}") from None
    except Exception as error:
        if (reason := _of_postgres(error)) is None:
            raise
        raise Failed(f"pumice: {reason}") from None


def settings_lines(error: SettingsError) -> str:
    """Every wrong setting as a line, and where to look them up."""
    lines = [f"{variable} {what}" for variable, what in error.problems]
    return "\n".join([*lines, "`pumice check` explains every setting."])


def one_line(error: BaseException) -> str:
    """An error's message as one line; its class, when it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _of_postgres(error: Exception) -> str | None:
    """What an error of Postgres means; None for any other."""
    import psycopg
    from sqlalchemy.exc import DBAPIError

    from pumice.sessions.away import explain, is_away

    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return f"the schema isn't this version's: {UPGRADE}"
    if original is not None and is_away(original):
        return one_line(PumiceError(explain(original)))
    return f"Postgres refused: {one_line(original)}" if isinstance(original, psycopg.Error) else None
