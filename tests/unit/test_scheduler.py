"""The scheduler of a worker's threads: whose sessions run next, whoever floods or hangs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pumice_workers.scheduler import Key, Scheduler
from tests.support.waiting import wait_until

MANY = 1_000_000


class Work:
    """What a scheduler runs: sessions of agents named `hang…` wait until they are let go."""

    def __init__(self, concurrency: int = 2, limit: int = 8, rooms: dict[str, int] | None = None) -> None:
        self.ran: list[str] = []
        self.hanging: list[str] = []
        self.let_go = threading.Event()
        self._rooms = rooms or {}
        self.scheduler = Scheduler(concurrency, self._run, lambda agent: self._rooms.get(agent, MANY), limit)

    def _run(self, _queue: str, keys: list[Key]) -> None:
        for agent_id, session_id in keys:
            self.scheduler.touch()
            if agent_id.startswith("hang"):
                self.hanging.append(agent_id)
                self.let_go.wait(20)
            self.ran.append(session_id)

    def put(self, queue: str, agent_id: str, *sessions: str) -> None:
        for session in sessions:
            self.scheduler.put(queue, [(agent_id, session)])

    def hangs(self, count: int) -> bool:
        return len(self.hanging) == count

    def stuck(self, now: float = float("inf")) -> None:
        """Have every thread that is at work now be taken for stuck."""
        self.scheduler.look(now)


@contextmanager
def working(concurrency: int = 2, limit: int = 8, rooms: dict[str, int] | None = None) -> Iterator[Work]:
    work = Work(concurrency, limit, rooms)
    try:
        yield work
    finally:
        work.let_go.set()
        work.scheduler.stop()


def test_everything_that_is_put_runs_once():
    with working() as work:
        sessions = [f"s{number}" for number in range(2_000)]
        threads = [threading.Thread(target=work.put, args=("hooks", "a", *sessions[n::4])) for n in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(work.ran) == len(sessions), 20, "all sessions")
        assert sorted(work.ran) == sorted(sessions)


def test_what_waits_already_is_not_put_twice():
    with working(1, 1) as work:
        work.put("hooks", "hang", "first")
        wait_until(lambda: work.hanging)
        for _ in range(5):
            work.put("hooks", "a", "twice")
        work.let_go.set()
        wait_until(lambda: work.ran)
        work.put("hooks", "a", "last")
        wait_until(lambda: "last" in work.ran)
        assert work.ran == ["first", "twice", "last"]


def test_agents_take_turns_and_chats_go_first():
    with working(1, 1) as work:
        work.put("chat", "hang", "first")
        wait_until(lambda: work.hanging)
        work.put("hooks", "a", *(f"hook{n}" for n in range(6)))
        work.put("chat", "a", *(f"a{n}" for n in range(8)))
        work.put("chat", "b", "b0", "b1")
        work.let_go.set()
        wait_until(lambda: len(work.ran) == 17)
        assert {"a0", "b0", "a1", "b1"} <= set(work.ran[1:7])
        assert [one for one in work.ran[:9] if one.startswith("hook")], "hooks have their chance too"


def test_an_idle_agents_chat_starts_beside_those_that_hang():
    with working(2, 8) as work:
        work.put("hooks", "hang", *"abcdefgh")
        wait_until(lambda: len(work.hanging) == 2)
        work.put("chat", "quiet", "hello")
        wait_until(lambda: work.ran == ["hello"])


def test_stuck_threads_are_replaced_and_one_agent_leaves_room_for_others():
    with working(2, 8) as work:
        work.put("hooks", "hang1", *(f"x{n}" for n in range(20)))
        for held in (2, 4):
            wait_until(partial(work.hangs, held))
            work.stuck()
        assert len(work.hanging) == 4, "half of the threads"
        work.put("hooks", "hang2", *(f"y{n}" for n in range(20)))
        wait_until(lambda: work.hanging.count("hang2") == 2)
        work.stuck()
        work.put("hooks", "quiet", "hello")
        wait_until(lambda: work.ran == ["hello"])


def test_lost_threads_are_replaced():
    with working(2, 4) as work:
        slots = work.scheduler._slots
        for number in range(12):
            work.put("hooks", f"hang{number}", "x")
            wait_until(partial(work.hangs, number + 1))
            for slot in list(slots):
                work.scheduler.lose(slot)
        work.put("hooks", "quiet", "hello")
        wait_until(lambda: work.ran == ["hello"])
        assert work.scheduler.lost == 12
        work.let_go.set()
        wait_until(lambda: work.scheduler.lost == 0)


def test_an_agent_without_room_on_the_loop_waits_alone():
    rooms = {"full": 0}
    with working(2, 8, rooms=rooms) as work:
        work.put("chat", "full", "late")
        work.put("chat", "other", "now")
        wait_until(lambda: work.ran == ["now"])
        rooms["full"] = 1
        work.scheduler.freed()
        wait_until(lambda: work.ran == ["now", "late"])


def test_slow_sessions_are_taken_a_few_at_a_time():
    with working(1, 1) as work:
        work.scheduler.measured("a", 1, 0.05)
        assert work.scheduler._most("a") == 2
        assert work.scheduler._most("b") > 100


def test_what_waits_when_it_stops_is_handed_out():
    with working(1, 1) as work:
        work.put("hooks", "hang", "x")
        wait_until(lambda: work.hanging)
        work.put("hooks", "a", "y", "z")
        assert sorted(work.scheduler.stop()) == [("a", "y"), ("a", "z")]
