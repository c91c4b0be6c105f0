"""The loop of async selectors: native threads for what blocks, as many as it may have, and no gevent."""

import asyncio
import subprocess
import sys
import threading

import pytest

from pumice.web.http import native_loop
from pumice.web.http.native_loop import run_natively

PATCHED = """
from gevent.monkey import patch_all
patch_all()
import _thread, asyncio
from gevent.monkey import get_original
from pumice.web.http.native_loop import run_natively

def where():
    return get_original("_thread", "get_ident")()

async def main():
    return where(), await asyncio.to_thread(where), "gevent" in type(asyncio.get_running_loop()._selector).__module__

here, there, within = run_natively(main())
print(here != there, within)
"""


def test_it_waits_and_runs_threads_without_gevent_where_everything_is_patched():
    shown = subprocess.run([sys.executable, "-c", PATCHED], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout == "True False\n"


def test_what_blocks_runs_in_a_bounded_number_of_threads(monkeypatch):
    monkeypatch.setattr(native_loop, "THREADS", 3)
    together, under_way, most = threading.Barrier(3), [0], [0]
    lock = threading.Lock()

    def block(number):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(10)
        with lock:
            under_way[0] -= 1
        return number

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(block, number) for number in range(12)))

    assert run_natively(main()) == list(range(12))
    assert most[0] <= 3


def test_what_a_function_raises_reaches_who_waits():
    def fail():
        raise KeyError("gone")

    async def main():
        await asyncio.to_thread(fail)

    with pytest.raises(KeyError, match="gone"):
        run_natively(main())
