"""What the lines of an exported session must be to each other, and what a session may be called and hold."""

import base64
import binascii

from pumice.agents.exact_json import to_text
from pumice.agents.names import checked_snapshot_name
from pumice.agents.session_lines import (
    METADATA_LIMIT,
    Header,
    Line,
    Metadata,
    Snapshot,
    Stand,
    Start,
    StoredInteraction,
    StoredMessage,
)
from pumice.errors import BadSessionFile, InvalidField


def decode_body(line: StoredInteraction) -> bytes | None:
    """The body that an interaction came with. Raises `ValueError`."""
    try:
        return None if line.body is None else base64.b64decode(line.body, validate=True)
    except binascii.Error:
        raise ValueError("body: must be base64") from None


class LineChecks:
    """Checks the lines of one file, as they come."""

    def __init__(self, agent_id: str | None) -> None:
        """agent_id: whose session it must be; None for anyone's."""
        self._agent_id = agent_id
        self._known: set[tuple[str, str | int]] = set()
        self._end: Stand | None = None
        self._seq = -1

    def check(self, number: int, line: Line) -> None:
        """Check the next line; `number` is its own. Raises `BadSessionFile`."""
        point: Stand | None = getattr(line, "point", None)
        if isinstance(line, Header):
            self._end = point
            if self._agent_id not in {None, line.agent}:
                raise BadSessionFile(number, f"it is a session of the agent {line.agent!r}, not of {self._agent_id!r}")
        elif isinstance(line, Metadata):
            _check_metadata(number, line)
        elif isinstance(line, StoredMessage):
            self._check_message(number, line)
        elif isinstance(line, Snapshot):
            _check_name(number, line.name)
            self._know(number, "snapshot", line.name)
        elif isinstance(line, StoredInteraction):
            self._check_interaction(number, line)
        if point is not None and isinstance(line, Start | Snapshot | StoredInteraction):
            self._check_point(number, point)

    def _check_message(self, number: int, line: StoredMessage) -> None:
        if line.seq <= self._seq:
            raise BadSessionFile(number, f"seq: {line.seq} must not come after {self._seq}")
        if self._end is not None and line.seq >= self._end.next_message:
            raise BadSessionFile(number, f"seq: the session's next message is {self._end.next_message}")
        self._seq = line.seq

    def _check_interaction(self, number: int, line: StoredInteraction) -> None:
        self._know(number, "interaction", line.id)
        try:
            decode_body(line)
        except ValueError as error:
            raise BadSessionFile(number, str(error)) from None
        if line.point is not None:
            if line.point.number == 0:
                raise BadSessionFile(number, "point.number: a turn leaves no point before the first one")
            self._know(number, "point", line.point.number)

    def _check_point(self, number: int, point: Stand) -> None:
        """Refuse a point after that at which the file ends."""
        if self._end is not None and point.number > self._end.number:
            raise BadSessionFile(number, f"point.number: the file ends at {self._end.number}")
        if self._end is not None and point.next_message > self._end.next_message:
            raise BadSessionFile(number, f"point.conversation: the file's ends at {self._end.next_message}")

    def _know(self, number: int, what: str, name: str | int) -> None:
        if (what, name) in self._known:
            raise BadSessionFile(number, f"the {what} {name!r} stands in a line before")
        self._known.add((what, name))


def _check_metadata(number: int, line: Metadata) -> None:
    try:
        size = len(to_text(line.metadata).encode())
    except ValueError as error:
        raise BadSessionFile(number, f"metadata: {error}") from None
    if size > METADATA_LIMIT:
        raise BadSessionFile(number, f"metadata: must not be larger than {METADATA_LIMIT} bytes")


def _check_name(number: int, name: str) -> None:
    try:
        checked_snapshot_name(name)
    except InvalidField as problem:
        raise BadSessionFile(number, str(problem)) from None
