"""A place in a session's state or metadata, as SQL: its JSON, its kind, and what it is compared as.

What authors and clients stored there may be anything: a text where a time should be, a number of a thousand digits.
Nothing here fails for it; such a value is compared as null, which no comparison finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, cast, func, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import DateTime, Numeric, Text

from pumice.sessions.models import SessionRow

INDEXED_CHARACTERS = 400
"""Characters of a text that stand in an index. An entry holds 2,704 bytes, the session's id included."""
LONGEST_NUMBER = 400
"""Characters of a number that is compared: more than any float has, and so few that an index holds it."""
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$"
"""Texts that Postgres reads as a number of a size that it can hold."""
_DAYS = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
_LEAP = r"(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
_ZONE = r"([Zz]|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
TIME = rf"^(?!0000)(\d{{4}}-{_DAYS}|{_LEAP})([Tt ]{_CLOCK}{_ZONE}?)?$"
"""Texts that Postgres reads as a time. `pg_input_is_valid` would say it, and Postgres has it only since 16."""
HAS_ZONE = rf":\d\d(\.\d+)?{_ZONE}$"


@dataclass(frozen=True, slots=True)
class Place:
    """The place `path` in the `state` or the `metadata`."""

    root: str
    path: Sequence[str]

    @property
    def json(self) -> Any:
        """Its JSON."""
        return self._column.op("#>")(self._names)

    @property
    def kind(self) -> Any:
        """What it is, such as `string`; null where nothing is there."""
        return getattr(func, "json_typeof" if self.root == "state" else "jsonb_typeof")(self.json)

    @property
    def text(self) -> Any:
        """What it says, compared by code point."""
        return self._raw.collate("C")

    @property
    def indexed_text(self) -> Any:
        """How the text begins: texts in an order begin in the same order, and an index holds no long one."""
        return shortened(self.text)

    @property
    def number(self) -> ColumnElement[Any]:
        """It as a number, if it is one."""
        return case((and_(self.kind == "number", self._is_short), cast(self._raw, Numeric)))

    @property
    def decimal(self) -> ColumnElement[Any]:
        """It as a number, if it is one or a text that tells one, as a `Decimal` does."""
        tells_one = and_(self.kind.in_(["number", "string"]), self._is_short, self._raw.op("~")(NUMBER))
        return case((tells_one, cast(self._raw, Numeric)))

    @property
    def time(self) -> ColumnElement[Any]:
        """It as a time, if it is a text that tells one. A time without a zone is one of UTC."""
        is_time = and_(self.kind == "string", self._raw.op("~")(TIME))
        in_utc = case((self._raw.op("~")(HAS_ZONE), self._raw), else_=self._raw.concat(" UTC"))
        return case((is_time, cast(in_utc, DateTime(timezone=True))))

    @property
    def _column(self) -> Any:
        return SessionRow.state if self.root == "state" else SessionRow.metadata_

    @property
    def _names(self) -> Any:
        return literal(list(self.path), ARRAY(Text))

    @property
    def _raw(self) -> Any:
        return self._column.op("#>>", return_type=Text())(self._names)

    @property
    def _is_short(self) -> Any:
        return func.length(self._raw) <= LONGEST_NUMBER


def shortened(text: Any) -> Any:
    """So much of a text as stands in an index."""
    return func.left(text, INDEXED_CHARACTERS, type_=Text(collation="C"))
