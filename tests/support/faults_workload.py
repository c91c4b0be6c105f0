"""A checked workload: clients that send numbers, and what must be true in Postgres when all is done.

Each client owns one session and sends it 1, 2, 3, … over the routes in turn, the next only after the last was
acknowledged. What a client gets no clear answer to it sends again, to the next front, under the same Idempotency-Key.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.faults_stack import Stack
from tests.support.states import STATE, stored_state
from tests.support.waiting import wait_until

ROUTES = ("post", "add", "chat", "await")
"""A hook that answers at once, one that answers with its result, a chat, and a hook that is a coroutine."""
PACE = 0.02
"""Seconds that a client rests between two numbers, so that the lists which are checked stay short."""
AGAIN = {429, 502, 503}
PATIENCE = 90.0
RECOVERY = 15.0
"""Seconds from when a component is back to when what was accepted is done."""
PROMPT = 3.0
"""Seconds within which work is done that a wake announced: rescue alone takes 5."""

_names = itertools.count(1)


class Refused(Exception):  # noqa: N818 (what a client got, not an error of its own)
    """An answer that no client should get."""


class Sender:
    """Sends interactions to the fronts of a stack, each until it is acknowledged."""

    def __init__(self, stack: Stack, front: int = 0) -> None:
        self._stack = stack
        self._fronts = itertools.islice(itertools.cycle(stack.urls), front, None)
        self.padding = ""
        self._http = httpx.Client(timeout=40, limits=httpx.Limits(max_keepalive_connections=0))

    def send(self, route: str, session: str, number: int, ledger: str, gate: str | None = None) -> Any:
        """Send a number to a session until it is acknowledged. Returns the answer. Raises `Refused`."""
        path, content, headers = self._request(route, session, number, ledger, gate)
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                response = self._http.post(next(self._fronts) + path, json=content, headers=headers)
            except httpx.TransportError as error:
                if time.monotonic() > give_up:
                    raise Refused(f"{session}/{number}: {error!r}") from error
                time.sleep(0.1)  # a client's pace, not a wait for something
                continue
            if response.is_success:
                return response.json()
            if response.status_code not in AGAIN or time.monotonic() > give_up:
                raise Refused(f"{session}/{number} by {route}: {response.status_code} {response.text}")
            time.sleep(0.2)

    def post(self, route: str, session: str, number: int, ledger: str, gate: str | None = None) -> None:
        """Send a number without waiting for what becomes of it. Returns when it was accepted."""
        path, content, headers = self._request(route, session, number, ledger, gate)
        headers["prefer"] = "respond-async"
        response = self._http.post(next(self._fronts) + path, json=content, headers=headers)
        assert response.status_code == httpx.codes.ACCEPTED, response.text

    def _request(
        self, route: str, session: str, number: int, ledger: str, gate: str | None
    ) -> tuple[str, dict[str, Any], dict[str, str]]:
        headers = {"idempotency-key": f"{session}/{number}"}
        if route == "chat":
            message = {"role": "user", "content": f"{number} {ledger} {gate or ''}"}
            return "/v1/chat", {"sessionId": session, "messages": [message]}, headers | {"x-api-key": self._stack.key}
        content = {"session": session, "number": number, "ledger": ledger, "gate": gate, "padding": self.padding}
        return f"/v1/agents/checked/hooks/{route}", content, headers


class Client(threading.Thread):
    """Sends numbers to one session until it is told to stop."""

    def __init__(self, workload: "Workload", place: int) -> None:
        super().__init__(name=f"client {place}", daemon=True)
        self.session = f"{workload.name}-{place}"
        self.sent: list[str] = []
        self.refused: list[str] = []
        self._workload = workload
        self._place = place
        self._sender = Sender(workload.stack, place)

    def run(self) -> None:
        """Send."""
        for number in itertools.count(1):
            if self._workload.stopping.wait(PACE):
                return
            route = ROUTES[(self._place + number) % len(ROUTES)]
            try:
                self._sender.send(route, self.session, number, self._workload.ledger)
            except Exception as error:  # whatever it is, the test has to hear of it
                self.refused.append(repr(error))
                return
            self.sent.append(route)


class Workload:
    """Clients at work."""

    def __init__(self, stack: Stack, clients: int = 6) -> None:
        self.name = f"load{next(_names)}"
        self.ledger = f"{self.name}-ledger"
        self.stack = stack
        self.stopping = threading.Event()
        self.clients = [Client(self, place) for place in range(clients)]

    @property
    def count(self) -> int:
        """How many were acknowledged so far."""
        return sum(len(client.sent) for client in self.clients)

    def wait_more(self, more: int = 12) -> None:
        """Return when so many more were acknowledged than at the call."""
        goal = self.count + more
        wait_until(
            lambda: self.count >= goal or self.refusals, PATIENCE, f"{goal} acknowledged; there are {self.count}"
        )
        assert not self.refusals

    @property
    def refusals(self) -> list[str]:
        """The answers that no client should have got."""
        return [text for client in self.clients for text in client.refused]

    def wait_recovered(self, within: float = RECOVERY) -> None:
        """Return when all that was accepted before now is done, which must be `within` seconds."""
        last = self.stack.fetch("select max(seq) as seq from interactions")[0].seq
        query = (
            "select count(*) as count from interactions where session_id like %s and seq <= %s and status = 'queued'"
        )
        wait_until(lambda: not self.stack.fetch(query, f"{self.name}-%", last)[0].count, within, "what was accepted")

    def finish(self, within: float = RECOVERY) -> None:
        """Stop the clients and check everything; what is queued must be done `within` seconds."""
        self.stopping.set()
        for client in self.clients:
            client.join(PATIENCE + 45)
            assert not client.is_alive(), f"{client.session} still waits after {len(client.sent)} answers"
        assert not self.refusals
        check_done(self.stack, f"{self.name}-", within)
        for client in self.clients:
            check_session(self.stack, client.session, client.sent)
        check_ledger(self.stack, self.ledger, {client.session: len(client.sent) for client in self.clients})


@contextmanager
def working(stack: Stack, clients: int = 6) -> Iterator[Workload]:
    """A workload under way. The test ends it with `finish`; it is stopped in any case."""
    workload = Workload(stack, clients)
    for client in workload.clients:
        client.start()
    try:
        workload.wait_more(clients)
        yield workload
    finally:
        workload.stopping.set()


def check_done(stack: Stack, prefix: str, within: float = RECOVERY) -> None:
    """Nothing of the sessions with this prefix is queued, or leased, after at most `within` seconds."""
    queued = "select count(*) as count from interactions where session_id like %s and status = 'queued'"
    leased = "select count(*) as count from sessions where id like %s and lease_token is not null"
    for query in (queued, leased):
        wait_until(lambda query=query: not stack.fetch(query, f"{prefix}%")[0].count, within, query)  # type: ignore[misc]


def check_session(stack: Stack, session: str, routes: list[str]) -> None:
    """Each number has one interaction, in the order of acceptance, done; its effects are there once, in that order."""
    numbers = list(range(1, len(routes) + 1))
    rows = stack.fetch(
        "select dedupe_key, status, errors from interactions where session_id = %s and kind in ('hook', 'chat')"
        " order by seq",
        session,
    )
    assert [row.dedupe_key for row in rows] == [f"{session}/{number}" for number in numbers]
    assert [(row.dedupe_key, row.errors) for row in rows if row.status != "done"] == []
    state = stack.fetch(f"select {STATE}, message_count from sessions where id = %s", session)[0]
    assert stored_state(state)["numbers"] == numbers
    messages = stack.fetch("select seq, role, content from messages where session_id = %s order by seq", session)
    assert [row.seq for row in messages] == list(range(state.message_count))
    chats = [number for number, route in zip(numbers, routes, strict=True) if route == "chat"]
    assert [int(row.content.split()[0]) for row in messages if row.role == "user"] == chats
    assert [int(row.content.split()[1]) for row in messages if row.role == "assistant"] == chats
    assert [row.role for row in messages] == ["user", "assistant"] * len(chats)


def check_ledger(stack: Stack, ledger: str, counts: dict[str, int]) -> None:
    """Every number of every session was booked once, and those of one session in their order."""
    rows = stack.fetch(f"select {STATE} from sessions where id = %s", ledger)
    booked = [entry.rpartition("/") for entry in (stored_state(rows[0])["booked"] if rows else [])]
    by_session: dict[str, list[int]] = {session: [] for session in counts}
    for session, _, number in booked:
        by_session[session].append(int(number))
    assert by_session == {session: list(range(1, count + 1)) for session, count in counts.items()}


def check_single(stack: Stack, session: str, *routes: str, ledger: bool = True) -> None:
    """Everything that a lone session and its ledger, named after it, were sent is done, and right."""
    check_done(stack, session)
    check_session(stack, session, list(routes))
    check_ledger(stack, f"{session}-ledger", {session: len(routes) if ledger else 0})


def check_prompt(stack: Stack) -> None:
    """Every worker consumes: each of them runs work that was announced by a wake, soon after it was accepted."""
    workers = {stack.processes.pid(name) for name in stack.services if name.startswith("worker")}
    sender = Sender(stack)
    session = f"prompt{next(_names)}"
    give_up = time.monotonic() + RECOVERY
    by_worker: dict[int, int] = dict.fromkeys(workers, 0)
    late = 0
    for number in itertools.count(1):
        started = time.monotonic()
        answer = sender.send("add", session, number, f"{session}-ledger")
        if time.monotonic() - started < PROMPT:
            by_worker[answer["pid"]] += 1
        else:
            late += 1
        if all(by_worker.values()):
            return
        assert time.monotonic() < give_up, f"done promptly, by worker: {by_worker}; late: {late}"
