"""`pumice dev` while its author edits: what it notices, what it refuses, and what callers see meanwhile."""

import itertools
import os
import threading
import time
from contextlib import contextmanager

import httpx
import psutil
import pytest

from pumice.dev.servers import temporary_folder
from tests.support.client import AgentClient
from tests.support.processes import free_port, started_dev
from tests.support.waiting import wait_until

AGENT = """
import prices
from pumice import Agent

class Shop(Agent):
    def reply(self, messages):
        return f"shop {prices.PRICE}"
"""
SERVICES = ("web", "worker", "beat")
RELOADED = 120
"""Seconds that a reload may take on a machine with other work."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.faults]


class Place:
    """An author's folder, with a second one on PYTHONPATH, and what runs there."""

    def __init__(self, folder, process=None):
        self.folder, self.process = folder, process

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def client(self, agent="shop"):
        info = self.process.info
        return AgentClient(info["url"], agent, *info["agents"][agent].values())

    def pids(self):
        return {name: self.process.info["pids"][name] for name in SERVICES}

    def said(self, text, times=1):
        wait_until(lambda: self.process.output.count(text) >= times, RELOADED, f"{text!r} in\n{self.process.output}")

    @contextmanager
    def reloading(self):
        """Waits at its end until a reload that begins within it is over."""
        before = self.process.output.count("ready again after")
        yield
        self.said("ready again after", before + 1)


@pytest.fixture(scope="module")
def author():
    with temporary_folder() as folder:
        place = Place(folder)
        place.write("shop.py", AGENT)
        place.write("lib/prices.py", "PRICE = 1\n")
        place.write(".env", "AGENTS=shop=shop:Shop\nPYTHONPATH=lib\nGREETING=one\n")
        yield place


@pytest.fixture(scope="module")
def place(author):
    with started_dev(author.folder / "data", "--port", str(free_port()), cwd=author.folder) as process:
        process.wait_ready(120)
        yield Place(author.folder, process)


class Caller:
    """Calls without a pause, on new connections and on one that is kept, and remembers what it saw."""

    def __init__(self, client):
        self._client = client
        self._stop = threading.Event()
        self.statuses: set[int] = set()
        self.errors: list[Exception] = []
        self.replies: list[str] = []
        self.longest = 0.0

    def __enter__(self):
        self._thread = threading.Thread(target=self._call)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _call(self):
        headers = {"x-api-key": self._client.public_key}
        address = f"{str(self._client.http.base_url).rstrip('/')}/v1/chat"
        with httpx.Client(timeout=60) as kept:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                begun = time.monotonic()
                body = {"sessionId": f"caller-{number % 5}", "messages": [{"role": "user", "content": "hello"}]}
                post = kept.post if number % 2 else httpx.post
                try:
                    answer = post(address, json=body, headers=headers, timeout=60)
                    self.statuses.add(answer.status_code)
                    self.replies.append(answer.text)
                except httpx.HTTPError as error:
                    self.errors.append(error)
                self.longest = max(self.longest, time.monotonic() - begun)


def test_callers_notice_no_reload(place, capsys):
    with Caller(place.client()) as caller:
        for price in (10, 20, 30):
            with place.reloading():
                place.write("lib/prices.py", f"PRICE = {price}\n")
            assert place.client().reply("hello", "ada") == f"shop {price}"
    with capsys.disabled():
        print(f"\n{len(caller.replies)} requests through 3 reloads, the longest took {caller.longest:.2f} s")  # noqa: T201
    assert caller.errors == []
    assert caller.statuses == {200}
    assert caller.longest < 25


def test_each_process_is_replaced_and_only_those(place):
    before, servers = place.pids(), place.process.info["pids"]
    with place.reloading():
        place.write("shop.py", AGENT.replace("shop {", "the shop {"))
    after = place.process.info["pids"]
    assert all(after[name] not in (None, before[name]) for name in SERVICES)
    assert (after["postgres"], after["redis"]) == (servers["postgres"], servers["redis"])
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in before.values()), 40, "the end of the old processes")


def test_a_mistake_is_a_line_and_the_old_processes_go_on(place):
    before = place.pids()
    place.write("shop.py", AGENT + "    def (\n")
    place.said("shop.py:8: SyntaxError: invalid syntax (not reloaded: the processes from before the change go on)")
    assert place.pids() == before
    assert place.client().reply("hello", "joan").startswith("the shop")
    place.write("lib/prices.py", "PRICE = 1 / 0\n")  # while the other is broken, too
    with place.reloading():
        place.write("lib/prices.py", "PRICE = 40\n")
        place.write("shop.py", AGENT)
    assert place.client().reply("hello", "joan") == "shop 40"
    assert "Traceback" not in place.process.output


def test_a_module_that_comes_later_mends_a_missing_import_and_is_watched_then(place):
    place.write("shop.py", AGENT.replace("import prices", "import prices, taxes"))
    place.said("shop.py:2: ModuleNotFoundError: No module named 'taxes'")
    with place.reloading():
        place.write("taxes.py", "")
    with place.reloading():
        place.write("taxes.py", "import prices\nprices.PRICE += 2\n")
    assert place.client().reply("hello", "joan") == "shop 42"
    with place.reloading():
        place.write("shop.py", AGENT)


def test_what_no_agent_imports_is_not_watched(place):
    seen = place.process.output.count("changed:")
    for name in ("taxes.py", "unused.py", "tests/test_shop.py", "lib/unused.py"):
        place.write(name, "changed = True\n")
    with place.reloading():
        place.write("lib/prices.py", "PRICE = 50\n")
    assert place.process.output.count("changed:") == seen + 1
    assert "prices.py changed: starting" in place.process.output


def test_an_editor_that_saves_in_steps_causes_no_alarm(place):
    content = AGENT.replace("shop {", "store {")
    with place.reloading():
        before = place.process.output
        with (place.folder / "shop.py").open("w") as file:
            file.flush()
            os.fsync(file.fileno())
            file.write(content)
        (place.folder / "shop.py~").write_text(content)
        (place.folder / "shop.py").rename(place.folder / "shop.py.bak")
        (place.folder / "shop.py~").rename(place.folder / "shop.py")
    assert "not reloaded" not in place.process.output.removeprefix(before)
    assert place.client().reply("hello", "joan") == "store 50"


def test_dotenv_adds_and_renames_agents_and_its_mistakes_are_told(place):
    place.write(".env", "AGENTS=shop=shop:Shop\nPYTHONPATH=lib\nSECRET 's3cret\n")
    place.said(".env, line 3: this is no setting")
    place.write(".env", "AGENTS=shop=shop:Shop\nPYTHONPATH=lib\nLOG_LEVEL=loud\n")
    place.said("LOG_LEVEL: ")
    with place.reloading():
        place.write(".env", "AGENTS=store=shop:Shop,second=shop:Shop\nPYTHONPATH=lib\n")
    assert set(place.process.info["agents"]) == {"store", "second"}
    assert place.client("second").reply("hello", "joan") == "store 50"
    assert place.process.info["agents"]["store"]["secretKey"] in place.process.output
    assert "agent shop is not served any more; its sessions and keys are kept" in place.process.output
    assert "s3cret" not in place.process.output


def test_a_renamed_class_is_told(place):
    place.write("shop.py", AGENT.replace("class Shop", "class Store"))
    place.said("AGENTS 'store=shop:Shop': shop has no agent class Shop (not reloaded")
    assert place.client("second").reply("hello", "joan") == "store 50"


def test_a_save_while_the_next_processes_start_harms_nothing(place):
    with place.reloading():
        place.write("shop.py", AGENT.replace("shop {", "first {"))
        place.said("shop.py changed: starting", place.process.output.count("shop.py changed: starting") + 1)
        place.write("shop.py", "def (\n")
        place.said("shop.py:1: SyntaxError: invalid syntax")
        assert place.client("second").reply("hello", "joan") == "store 50"
        place.write("shop.py", AGENT.replace("shop {", "second {"))
    assert place.client("second").reply("hello", "joan") == "second 50"


def test_it_stops_in_order_and_leaves_nothing_in_the_middle_of_a_reload(place):
    starts = place.process.output.count("shop.py changed: starting")
    place.write("shop.py", AGENT)
    place.said("shop.py changed: starting", starts + 1)
    everything = place.process.family()
    assert place.process.stop() == 0
    assert not any(process.is_running() for process in everything)
    assert not (place.process.data / "dev.json").exists()
