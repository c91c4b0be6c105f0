"""README is true: its commands and programs run and show what it shows, its tables are those of the code."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest

from pumice.dev.servers import temporary_folder
from tests.support import readme
from tests.support.client import AgentClient
from tests.support.processes import ROOT, running_dev
from tests.support.readme import GENERATED, README, blocks, fits, generated, shell

EXAMPLES = (
    "desk=examples.orders:OrderDesk,watch=examples.github:RepositoryWatcher,assistant=examples.assistant:Assistant"
)
END = "--- end of block ---"


@pytest.fixture(scope="module")
def dev():
    with temporary_folder() as folder, running_dev(folder / "data", EXAMPLES) as process:
        yield process


@pytest.fixture
def author(tmp_path):
    """A folder with the files that README says to save."""
    for block in blocks():
        if block.note.startswith("file: "):
            (tmp_path / block.note.removeprefix("file: ")).write_text(block.text)
    return tmp_path


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_those_of_the_code(name):
    assert generated(name) == GENERATED[name](), f"run: python -m {readme.__name__}"


def test_the_tests_that_prove_guarantees_exist():
    rows = re.findall(r"^\| \d \|.*\| ([^|]+) \|$", README.read_text(), re.MULTILINE)
    assert len(rows) == 9
    for path, name in re.findall(r"`([\w/]+\.py)::(\w+)`", "\n".join(rows)):
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}, name


def test_links_lead_somewhere():
    text = README.read_text()
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.removeprefix("#") in headings if target.startswith("#") else (ROOT / target).exists(), target


def test_every_shell_block_is_run_or_says_why_not():
    notes = [block.note for block, _ in shell() if block.note]
    assert all(note == "dev" or note.startswith("not run: ") for note in notes)
    assert notes.count("dev") == 1


def test_the_programs_run(author):
    programs = [block.text for block in blocks() if block.note == "python: in process"]
    assert len(programs) == 2
    for program in programs:
        environ = {**os.environ, "PYTHONPATH": str(author)}
        subprocess.run([sys.executable, "-c", program], cwd=author, env=environ, check=True, timeout=60)


def test_the_commands_show_what_readme_shows(dev):
    wanted = [(block.text, shown) for block, shown in shell() if not block.note]
    assert len([shown for _, shown in wanted if shown]) >= 8
    script = f"\necho; echo '{END}'\n".join(["set -euo pipefail", *(text for text, _ in wanted)])
    script = script.replace(".pumice/dev.json", str(dev.data / "dev.json"))
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for (text, shown), output in zip(wanted, done.stdout.split(END)[1:], strict=True):
        assert shown is None or fits(output, shown), f"{text}\nprinted\n{output}\nand not\n{shown}"


@pytest.mark.slow
def test_the_first_agent_can_be_served(author):
    with temporary_folder() as folder, running_dev(folder / "data", "shop=shop:Shop", cwd=author) as dev:
        keys = dev.info["agents"]["shop"]
        shop = AgentClient(dev.info["url"], "shop", keys["publicKey"], keys["secretKey"])
        assert shop.hook("order", json={"customer": "ada", "id": "7", "status": "packed"}).json() == {"orders": 1}
        assert shop.reply("How is it going?", "ada") == "1 of 1 orders are open."
        assert json.loads(shop.sessions("/ada").text)["state"] == {"orders": {"7": "packed"}}
