"""Statements of the protocol: each has a name of its own, its SQL, and the type of its rows.

The name stands in front of the SQL as a comment, so that a slow statement in Postgres's log or in pg_stat_statements
can be found here.
"""

from collections.abc import Sequence
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

RowT = TypeVar("RowT", bound=NamedTuple)
Parameters = Sequence[Any] | dict[str, Any]

_names: set[str] = set()


class NoRow(NamedTuple):
    """The row of a statement that returns none."""


class Statement(Generic[RowT]):
    """One statement. Its rows are of the type `row`, whose fields are the statement's columns in their order.

    Raises `ValueError` for a name that another statement has.
    """

    __slots__ = ("_checked", "name", "row", "sql")

    def __init__(self, name: LiteralString, sql: LiteralString, row: type[RowT]) -> None:
        if name in _names:
            raise ValueError(f"two statements are named {name}")
        _names.add(name)
        self.name = name
        self.sql: LiteralString = f"/* {name} */ {sql}"
        self.row = row
        self._checked = False

    def rows(self, cursor: Any) -> list[RowT]:
        """The rows of an executed cursor. Raises `TypeError` when its columns are not the row type's fields."""
        description = cursor.description
        if description is None:
            return []
        if not self._checked:
            columns = tuple(column.name for column in description)
            if columns != self.row._fields:
                raise TypeError(f"{self.name} returns {columns}, and {self.row.__name__} has {self.row._fields}")
            self._checked = True
        return [self.row._make(values) for values in cursor.fetchall()]
