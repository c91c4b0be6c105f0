"""The lines of an exported session, as their own models: what each may hold. See docs/export.md for the format."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from pumice.agents.scheduling import checked_timezone
from pumice.agents.states import Kind, Status

VERSION = 1
"""Of the format. A file of a newer version is refused."""
WHOLE = 2**53
"""The most turns, and lines, that are counted: as far as JSON's numbers are exact everywhere."""
COUNTED = 2**30
"""The most messages: room for as many again in the session that is made."""
VERSIONS = 2**31 - 1
METADATA_LIMIT = 16_384
"""Bytes of a session's metadata as JSON."""


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold NUL characters")
    text.encode()
    return text


def _timely(time: datetime) -> datetime:
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be of the years 1 to 9999 in UTC") from None
    return time


Text = Annotated[str, AfterValidator(_storable)]
Number = Annotated[int, Field(ge=0, le=WHOLE, strict=True)]
Count = Annotated[int, Field(ge=0, le=COUNTED, strict=True)]
Version = Annotated[int, Field(ge=1, le=VERSIONS, strict=True)]
Time = Annotated[AwareDatetime, AfterValidator(_timely)]
Span = Annotated[list[Count], Field(min_length=2, max_length=2)]
Json: TypeAlias = Any
"""Any JSON value. What was read is one; what `redact` returned shows when it is written."""


class Line(BaseModel):
    """One line. Its names are camelCase in the file; what it does not know is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def document(self) -> dict[str, Any]:
        """The line as it is written, ready for JSON."""
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            if name in self.model_fields_set or not field.exclude:
                value = getattr(self, name)
                found[field.alias or name] = _plain(value)
        return found


class Stand(Line):
    """How the session stood at a point.

    number: how many turns it had had. state: null before `setup`; left out where it was pruned. conversation: which
    messages, as spans of their numbers, the last of which ends with the number that the next message gets.
    """

    number: Number
    state: dict[str, Json] | None = Field(default=None, exclude=True)  # only where the file tells it
    state_version: Version = 1
    code_version: Text | None = None
    conversation: Annotated[list[Span], Field(min_length=1)]

    @property
    def has_state(self) -> bool:
        """Whether the file tells the state."""
        return "state" in self.model_fields_set

    @property
    def next_message(self) -> int:
        """The number that the next message gets."""
        return self.conversation[-1][1]

    @model_validator(mode="after")
    def _check_spans(self) -> "Stand":
        ends = [end for span in self.conversation for end in span]
        if ends != sorted(ends):
            raise ValueError("conversation: its spans must ascend")
        return self


class Header(Line):
    """The first line: whose session it is, and how it stands at the end of the file."""

    pumice: Literal["session"]
    version: Annotated[int, Field(ge=VERSION, le=VERSION, strict=True)]
    type: Literal["session"] = "session"
    agent: Text
    session_id: Text
    exported_at: Time
    at: Text | None = None
    temporary: bool = False
    quiet: bool = False
    timezone: Annotated[Text, AfterValidator(checked_timezone)] | None = None
    created_at: Time
    updated_at: Time
    point: Stand


class Metadata(Line):
    """The session's metadata."""

    type: Literal["metadata"]
    metadata: dict[str, Json]


class Start(Line):
    """Where a fork began: how it stood before its first interaction."""

    type: Literal["start"]
    session_id: Text | None = None
    interaction_id: Text | None = None
    point: Stand


class Snapshot(Line):
    """A named point."""

    type: Literal["snapshot"]
    name: Text
    note: Text | None = None
    interaction_id: Text | None = None
    created_at: Time
    point: Stand


class StoredMessage(Line):
    """A message of the conversation, or of one that an earlier point had."""

    type: Literal["message"]
    seq: Count
    role: Text
    content: Json
    data: dict[str, Json] | None = None
    interaction_id: Text
    created_at: Time


class StoredInteraction(Line):
    """An interaction, and the point that it left, if it left one."""

    type: Literal["interaction"]
    id: Text
    kind: Kind
    name: Text | None = None
    payload: dict[str, Json]
    body: str | None = None
    status: Status
    reason: Text | None = None
    reason_code: Text | None = None
    superseded_by: Text | None = None
    attempts: Annotated[int, Field(ge=0, le=32_767, strict=True)] = 0
    accepted_at: Time
    available_at: Time | None = None
    scheduled_for: Time | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    result: Json = None
    errors: list[dict[str, Json]] | None = None
    usage: dict[str, Json] | None = None
    effects: list[dict[str, Json]] | None = None
    point: Stand | None = None


class End(Line):
    """The last line: how many lines of each kind came before it, and the SHA-256 of all their bytes."""

    type: Literal["end"]
    snapshots: Number
    messages: Number
    interactions: Number
    sha256: str


KINDS: dict[str, type[Line]] = {
    "metadata": Metadata,
    "start": Start,
    "snapshot": Snapshot,
    "message": StoredMessage,
    "interaction": StoredInteraction,
    "end": End,
}
"""The lines after the first by their `type`, in the order in which they come."""


def _plain(value: Any) -> Any:
    if isinstance(value, Line):
        return value.document()
    if isinstance(value, datetime):
        return value.isoformat()
    return value
