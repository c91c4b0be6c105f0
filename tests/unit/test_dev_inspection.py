"""What importing an author's agents tells: the files to watch, and each mistake as one line."""

import os
import sys
import textwrap

import pytest

from pumice.dev.inspect_agents import inspect_agents
from pumice.dev.inspection import Inspection

AGENT = """
from pumice import Agent, hook, job

class Shop(Agent):
    def reply(self, messages):
        return "hello"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An author's folder. What is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder, files):
    for name, content in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))


def watched(inspection, folder):
    return {file.removeprefix(f"{folder}/") for file in inspection.files}


def test_the_authors_files_are_watched_and_nothing_else(place, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lib")
    monkeypatch.syspath_prepend(str(elsewhere))
    write(place, {"shop": "import parts.tax, helpers, json, flask, pumice.testing\n" + AGENT})
    write(place, {"unused": "", "tests/test_shop": "", "parts/tax": "from parts import rates", "parts/rates": ""})
    write(elsewhere, {"helpers": ""})
    found = inspect_agents("shop=shop:Shop")
    assert found.mistake is None
    assert watched(found, place) == {"shop.py", "parts/tax.py", "parts/rates.py", f"{elsewhere}/helpers.py"}
    (place / "shop.json").write_text("")
    found.write(place / "shop.json")
    assert Inspection.read(place / "shop.json") == found


def test_after_a_mistake_the_broken_file_and_where_a_missing_one_would_be_are_watched(place):
    write(place, {"shop": "import broken\n" + AGENT, "broken": "import parts.missing", "parts/__init__": ""})
    found = inspect_agents("shop=shop:Shop")
    assert {"shop.py", "broken.py", "parts/__init__.py", "parts/missing.py"} <= watched(found, place)
    assert found.files[str(place / "parts" / "missing.py")] is None


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"shop": "def (\n"}, "shop.py:1: SyntaxError: invalid syntax"),
        ({"shop": "if True:\nx = 1\n"}, "shop.py:2: IndentationError: expected an indented block"),
        ({"shop": "import tax\n", "tax": "\n\nx = = 1\n"}, "tax.py:3: SyntaxError: invalid syntax"),
        ({"shop": "\nimport nothing_there\n"}, "shop.py:2: ModuleNotFoundError: No module named 'nothing_there'"),
        ({"shop": "from tax import rate\n", "tax": ""}, "shop.py:1: ImportError: cannot import name 'rate' from 'tax'"),
        (
            {"shop": "import tax\n", "tax": "def f():\n    1 / 0\nf()"},
            "tax.py:2: ZeroDivisionError: division by zero",
        ),
        ({"shop": "import os\nos.environ['SHOP_KEY']\n"}, "shop.py:2: KeyError: 'SHOP_KEY'"),
        ({"shop": "import json\njson.loads('')\n"}, "shop.py:2: JSONDecodeError: Expecting value"),
        ({"shop": "raise SystemExit('no licence')\n"}, "shop.py:1: SystemExit: no licence"),
        ({"shop": "raise KeyboardInterrupt\n"}, "shop.py:1: KeyboardInterrupt"),
        ({"shop": "raise ValueError('two\\nlines')\n"}, "shop.py:1: ValueError: two lines"),
        (
            {"shop": "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E\n"},
            "shop.py:2: SystemExit",
        ),
        ({"shop": AGENT + "    State = 3\n"}, "shop.py:4: Shop.State: must be a pydantic model"),
        (
            {"shop": AGENT + "\n    @job('61 * * * *')\n    def nightly(self): ...\n"},
            "shop.py:8: Shop.nightly: '61 * * * *' is no cron expression",
        ),
        (
            {"shop": AGENT + "\n    @hook('a b')\n    def order(self, request): ...\n"},
            "shop.py:8: Shop.order: 'a b' is no hook name: letters, digits, '_', '.' and '-' only",
        ),
        (
            {"shop": AGENT + "\n    @hook('order')\n    @staticmethod\n    def order(): ...\n"},
            "shop.py:8: Shop.order: must take (request)",
        ),
        ({"shop": AGENT + "\n@job(5)\nclass Other: ...\n@hook()\ndef x(): ...\n"}, "shop.py:10: TypeError: "),
        ({"shop": AGENT.replace("Shop", "Store")}, "AGENTS 'shop=shop:Shop': shop has no agent class Shop"),
        ({}, "AGENTS 'shop=shop:Shop': shop can't be imported: ModuleNotFoundError: No module named 'shop'"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(place, files, line):
    write(place, files)
    mistake = inspect_agents("shop=shop:Shop").mistake
    assert mistake is not None
    assert mistake.startswith(line)
    assert "\n" not in mistake


@pytest.mark.parametrize("declaration", ["shop", "shop=shop", "a b=shop:Shop", "shop=shop:Shop,shop=shop:Shop", ","])
def test_a_wrong_declaration_is_told(place, declaration):
    write(place, {"shop": AGENT})
    found = inspect_agents(declaration)
    assert found.mistake
    assert "\n" not in found.mistake


def test_a_file_that_was_saved_twice_within_a_second_is_read_as_it_is_now(place, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write(place, {"shop": AGENT})
    inspect_agents("shop=shop:Shop")
    at = (place / "shop.py").stat().st_mtime
    del sys.modules["shop"]
    write(place, {"shop": AGENT.replace("Shop", "Sh0p")})
    os.utime(place / "shop.py", (at, at))
    assert inspect_agents("shop=shop:Sh0p").mistake is None
