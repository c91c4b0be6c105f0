"""When Postgres counts as away: it can't be reached, or it is there and refuses to work.

A standby, a full disk, a lack of memory or of connections: none of these is the fault of the statement that was
refused, and each heals without it. Whatever was to be written is kept, or answered with 503, and tried again.
"""

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

REFUSED = {
    "25006": "takes no writes",
    "53100": "has no space left on its disk",
    "53200": "has no memory left",
    "53300": "has no connections left",
    "53400": "has reached a limit of its configuration",
}
"""What a server that is there may lack, by SQLSTATE (PostgreSQL, Appendix A)."""
BUSY = (pg.LockNotAvailable, pg.QueryCanceled)
"""A statement that waited or worked longer than it may: others held what it needed."""
AGAIN = (pg.DeadlockDetected, pg.SerializationFailure)
"""Two transactions were in each other's way; either may simply be repeated."""
GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.IdleInTransactionSessionTimeout,
    pg.ReadOnlySqlTransaction,
)
"""What psycopg raises when Postgres is away; `BUSY` and `AGAIN` are among these by class, and are told apart first."""


def is_away(error: BaseException | None) -> bool:
    """Whether Postgres is away, rather than the statement wrong or others in its way."""
    return isinstance(error, GONE) and not isinstance(error, (*BUSY, *AGAIN))


def address(database_url: str) -> str:
    """Where to connect: of several hosts, to the one that takes writes."""
    given = conninfo_to_dict(database_url)
    several = "," in str(given.get("host", "")) or "," in str(given.get("hostaddr", ""))
    if not several or "target_session_attrs" in given:
        return database_url
    return make_conninfo(database_url, target_session_attrs="read-write")


def explain(error: BaseException) -> str:
    """What is wrong with Postgres, in one line, with what it said itself: that may name its address."""
    said = str(error).strip().splitlines()
    return f"{outline(error)}: {said[0] if said else type(error).__name__}"


def outline(error: BaseException) -> str:
    """What is wrong with Postgres, in a few words that anybody may read."""
    lacks = REFUSED.get(getattr(error, "sqlstate", None) or "")
    if lacks:
        return f"Postgres {lacks}"
    if isinstance(error, BUSY):
        return "Postgres was busy with something else for too long"
    return "Postgres can't be reached" if isinstance(error, GONE) else "Postgres refused"
