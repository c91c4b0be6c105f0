"""What Restate says happened: its admin port answers SQL on the states of sessions and on the invocations it keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx

from tests.bench.loader.http import Address, Load, post
from tests.bench.loader.pool import run_load
from tests.bench.verify.truth import Truth
from tests.support.waiting import wait_until

CONNECTIONS = 64

COUNTED = """
    select coalesce(sum(cast(value_utf8 as bigint)), 0) as events
    from state where service_name = 'Session' and key = 'count' and {since}
"""

TICKS = """
    select ticks, count(*) as sessions from (
        select sum(case when key = 'ticks' then cast(value_utf8 as bigint) else 0 end) as ticks
        from state where service_name = 'Session' and {since} group by service_key
    ) group by ticks
"""

ENDS = """
    select status, completion_result as result, count(*) as events
    from sys_invocation where target_handler_name = 'event' and {since} group by status, completion_result
"""

DOUBLED = """
    select count(*) as doubled from (
        select 1 from sys_journal as entry join sys_invocation as turn on turn.id = entry.id
        where entry.entry_type = 'Command: Output' and turn.target_handler_name = 'event' and {since}
        group by turn.target_service_key, entry.raw having count(*) > 1
    )
"""
"""Answers, which are positions in a session's history, that two turns of it gave."""


class RestateTruth(Truth):
    """Asks the admin port. Nothing can be removed at once, so sessions from before are left out of every question."""

    def __init__(self, admin: Address, client: httpx.Client) -> None:
        self.admin = admin
        self.client = client
        self.past: list[str] = []

    @classmethod
    @contextmanager
    def on(cls, admin: Address) -> Iterator[Self]:
        """Ask while the block runs; the server need not be up yet."""
        with httpx.Client(base_url=f"http://{admin[0]}:{admin[1]}", timeout=60) as client:
            yield cls(admin, client)

    def empty(self) -> None:
        """Leave out the sessions that are there."""
        self.past = [row["service_key"] for row in self.rows("select distinct service_key from state")]

    def unfinished(self, total: int) -> int:
        """Tell it from the states: an acknowledged event is in the log, but may not be seen among invocations yet."""
        return total - self._counted()

    def problems_with_events(self, accepted: int) -> list[str]:
        """Compare invocations, states and answers with what was acknowledged."""
        found = []
        ends = wait_until(self._ends, 30, "Restate has ended every invocation")
        if ends != {"success": accepted}:
            found.append(f"{accepted} events acknowledged, invocations ended with {ends}")
        if (counted := self._counted()) != accepted:
            found.append(f"{accepted} events acknowledged, {counted} counted in states")
        if doubled := self.rows(DOUBLED, "turn.target_service_key")[0]["doubled"]:
            found.append(f"{doubled} positions taken twice")
        return found

    def copy_sessions(self, model: str, count: int) -> None:
        """Set the state of each, and wait until all are there."""
        stored = self.rows(f"select key, value from state where service_name = 'Session' and service_key = '{model}'")
        state = {row["key"]: list(bytes.fromhex(row["value"])) for row in stored}
        bodies = ({"object_key": f"s{number}", "new_state": state} for number in range(1, count + 1))
        requests = [post("/services/Session/state", body) for body in bodies]
        run_load(Load(self.admin, requests, CONNECTIONS))
        wait_until(lambda: sum(self.ticks().values()) > count, 30, f"{count} sessions like {model}")

    def ticks(self) -> dict[int, int]:
        """Read them from the states."""
        return {row["ticks"]: row["sessions"] for row in self.rows(TICKS)}

    def out_of_order(self) -> float | None:
        """Tell nothing: which of a session's events was accepted first is forgotten once they have run."""
        return None

    def checkpoint(self) -> None:
        """Leave it to Restate: it can't be asked for."""

    def vacuum(self) -> None:
        """Leave it to Restate: it can't be asked for."""

    def rows(self, statement: str, key: str = "service_key") -> list[dict[str, Any]]:
        """Return the rows of a statement, in which `{since}` stands for: `key` is not one of the past."""
        names = ", ".join(f"'{name}'" for name in self.past)
        since = f"{key} not in ({names})" if names else "true"
        body = {"query": statement.format(since=since)}
        answer = self.client.post("/query", json=body, headers={"Accept": "application/json"})
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def _counted(self) -> int:
        return int(self.rows(COUNTED)[0]["events"])

    def _ends(self) -> dict[str, int]:
        """Return how many events ended how; nothing while one has not."""
        rows = self.rows(ENDS, "target_service_key")
        if any(row["status"] != "completed" for row in rows):
            return {}
        return {row["result"]: row["events"] for row in rows}
