"""The documents are true: commands and programs run and show what they show, tables are those of the code."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pumice.dev.servers import temporary_folder
from tests.support import documents
from tests.support.client import AgentClient
from tests.support.documents import DOCUMENTS, GENERATED, README, blocks, fits, generated, shell
from tests.support.processes import ROOT, running_dev

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
    """A folder with the files that the documents say to save."""
    for document in DOCUMENTS:
        for block in blocks(document):
            if block.note.startswith("file: "):
                (tmp_path / block.note.removeprefix("file: ")).write_text(block.text)
    return tmp_path


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_those_of_the_code(name):
    assert generated(name) == GENERATED[name](), f"run: python -m {documents.__name__}"


def test_readme_is_a_front_page():
    assert len(README.read_text().splitlines()) <= 300


def test_the_tests_that_prove_guarantees_exist():
    rows = re.findall(r"^\| \d+ \|.*\| ([^|]+) \|$", README.read_text(), re.MULTILINE)
    assert len(rows) == 11
    for path, name in re.findall(r"`([\w/]+\.py)::(\w+)`", "\n".join(rows)):
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if "://" in target:
            continue
        path, _, title = target.partition("#")
        where = document.parent / path if path else document
        assert where.exists(), target
        assert not title or title in headings(where), target


def headings(document):
    """What a link may name in a document."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_shell_block_is_run_or_says_why_not(document):
    notes = [block.note for block, _ in shell(document) if block.note]
    assert all(note == "dev" or note.startswith("not run: ") for note in notes)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_program_is_run(document):
    notes = [block.note for block in blocks(document) if block.language == "python"]
    assert all(note == "python: in process" or note.startswith("file: ") for note in notes)


def test_the_programs_run(author):
    programs = [block for document in DOCUMENTS for block in blocks(document) if block.language == "python"]
    assert len(programs) >= 4
    for program in programs:
        environ = {**os.environ, "PYTHONPATH": f"{author}:{ROOT}"}
        subprocess.run([sys.executable, "-c", program.text], cwd=author, env=environ, check=True, timeout=60)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_show_what_the_documents_show(document, request):
    wanted = [(block.text, shown) for block, shown in shell(document) if not block.note]
    if not wanted:
        return
    dev = request.getfixturevalue("dev")
    script = f"\necho; echo '{END}'\n".join(["set -euo pipefail", *(text for text, _ in wanted)])
    script = script.replace(".pumice/dev.json", str(dev.data / "dev.json"))
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PUMICE_DATA_DIR": str(dev.data),
    }
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environ,
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
