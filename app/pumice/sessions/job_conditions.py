"""A job's condition on its sessions, asked of one page of a fan-out at a time."""

from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pumice.agents.conditions import Condition
from pumice.sessions.conditions import as_sql
from pumice.sessions.connections import Transaction
from pumice.sessions.models import SessionRow


class PageCondition:
    """Picks those sessions of a page for which a condition holds.

    A page is bounded by how many sessions it looks at, however few of them the condition picks: no statement of a
    fan-out takes long.
    """

    def __init__(self, condition: Condition, *, by_zone: bool, temporary: bool) -> None:
        """by_zone: pages are of the sessions of one timezone. temporary: temporary sessions are among them."""
        self.looks_at_state = condition.looks_at_state
        own = [
            SessionRow.agent_id == bindparam("page_agent"),
            SessionRow.id > bindparam("page_after"),
            SessionRow.id.not_like("$%"),
            SessionRow.deleted_at.is_(None),
        ]
        if by_zone:
            zone = bindparam("page_zone", type_=SessionRow.timezone.type)
            own.append(or_(SessionRow.timezone == zone, (zone == "") & SessionRow.timezone.is_(None)))
        if not temporary:
            own.append(SessionRow.temporary.is_(False))
        page = select(SessionRow.id).where(*own).order_by(SessionRow.id).limit(bindparam("page_limit")).subquery()
        self._bound = _compiled(select(func.max(page.c.id)))
        self._query = _compiled(
            select(SessionRow.id).where(*own, SessionRow.id <= bindparam("page_last"), as_sql(condition))
        )

    def pick(self, transaction: Transaction, agent_id: str, after: str, zone: str, limit: int) -> list[str]:
        """The ids of those, among the next `limit` sessions after `after`, for which the condition holds."""
        page = {"page_agent": agent_id, "page_after": after, "page_zone": zone, "page_limit": limit}
        last = transaction.values(self._bound[0], self._bound[1] | page)[0]
        if last is None:
            return []
        return transaction.values(self._query[0], self._query[1] | page | {"page_last": last})


def _compiled(query: Select[Any]) -> tuple[bytes, dict[str, Any]]:
    """A query's text and those of its parameters that are known."""
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled).encode(), dict(compiled.params)
