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
AWAY = ("08", "28", "3D", "53", "57", "58")
"""Classes of SQLSTATEs that say nothing about the statement: the connection, who may connect and to what, what the
server lacks, its operators, and the system under it."""
LOST = {"25P03", "25P04", "25006"}
"""The same of single ones: transactions that lasted too long, which end their connection, and a standby."""
FATAL = {"FATAL", "PANIC"}
"""Severities of errors after which the server closes the connection."""
BUSY = (pg.LockNotAvailable, pg.QueryCanceled)
"""A statement that waited or worked longer than it may: others held what it needed."""
AGAIN = (pg.DeadlockDetected, pg.SerializationFailure)
"""Two transactions were in each other's way; either may simply be repeated."""
TOO_LARGE = pg.ProgramLimitExceeded
"""A value beyond what Postgres can do at all, such as one that no index can hold: the statement's own fault."""


def is_away(error: BaseException | None) -> bool:
    """Whether Postgres is away, rather than the statement wrong or others in its way.

    psycopg's classes do not tell: its `OperationalError` stands for much that is the statement's own fault.
    """
    if not isinstance(error, psycopg.Error) or isinstance(error, (*BUSY, *AGAIN)):
        return False
    if error.sqlstate is None:  # said by psycopg itself, not by the server
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    is_lost = error.diag.severity_nonlocalized in FATAL
    return is_lost or error.sqlstate[:2] in AWAY or error.sqlstate in LOST


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
    return "Postgres can't be reached" if is_away(error) else "Postgres refused"
