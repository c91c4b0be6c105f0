"""The values of an import, as its statements take them; what Postgres or an agent can't take is refused by its line."""

from typing import TYPE_CHECKING, Any

from pumice.agents.exact_json import to_text
from pumice.agents.session_lines import Stand
from pumice.agents.state_text import NUL, load_state
from pumice.errors import BadSessionFile, StoredStateError
from pumice.sessions.conversation import OWN

if TYPE_CHECKING:
    from pumice.agents.agent import Agent


def stands(point: Stand) -> dict[str, Any]:
    """The columns of a point, but for its state."""
    *before, (first, stop) = point.conversation
    return {
        "point": point.number,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "history_start": first,
        "message_count": stop,
        "transcript": to_text([[OWN, *span] for span in before]) if before else None,
    }


def check_state(cls: "type[Agent]", point: Stand) -> None:
    """Raise `BadSessionFile` for a state with which the session's next turn could not begin."""
    if point.state is None:
        return
    try:
        load_state(cls, as_text(1, "point.state", point.state), point.state_version)
    except StoredStateError as error:
        raise BadSessionFile(1, f"point.{error.field}: {error.why}") from None
    except BadSessionFile:
        raise
    except BaseException as error:  # an author's code, which raises anything
        raise BadSessionFile(1, f"point.state: loading it raised {type(error).__name__}") from error


def as_text(number: int, name: str, value: Any) -> str:
    """A value as JSON. Raises `BadSessionFile` for numbers that are none, such as 1e999."""
    try:
        return to_text(value)
    except ValueError as error:
        raise BadSessionFile(number, f"{name}: {error}") from None


def as_jsonb(number: int, name: str, value: Any) -> str | None:
    """A value that is read as jsonb. Raises `BadSessionFile` for NUL characters, which that can't hold."""
    if value is None:
        return None
    text = as_text(number, name, value)
    if "\\u0000" in text and NUL.search(text):  # the search alone takes milliseconds on a large state
        raise BadSessionFile(number, f"{name}: must not hold NUL characters")
    return text
