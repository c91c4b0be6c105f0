"""The documents as tests read them: their blocks, and the parts that are generated from the code.

A shell block is run as it stands, in its document's order, unless a comment before it says `not run: why`, `dev` (it is
`pumice dev` itself) or `file: name` (a program to save). A `text` block right after it is what it prints; … stands for
anything. `python -m tests.support.documents` writes the generated parts anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

from pumice.agents.selectors import Selector
from pumice.agents.sources import Source
from pumice.errors import Problem
from pumice.sessions.finished import ForwardedProblem
from pumice.settings import Settings
from pumice.sources.catalog import catalog
from tests.support.source_vectors import PUBLISHED

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
README = DOCUMENTS[0]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the comment just before it, and its text."""

    language: str
    note: str
    text: str


def blocks(document: Path) -> list[Block]:
    """A document's fenced blocks in order."""
    found = BLOCK.finditer(document.read_text())
    return [Block(one["language"], one["note"] or "", one["text"]) for one in found]


def shell(document: Path) -> Iterator[tuple[Block, str | None]]:
    """A document's shell blocks, each with the output that is shown for it, if any."""
    found = blocks(document)
    for block, following in zip_longest(found, found[1:], fillvalue=Block("", "", "")):
        if block.language == "sh":
            shows = following.language == "text" and f"```sh\n{block.text}```\n```text\n" in document.read_text()
            yield block, following.text if shows else None


def fits(output: str, shown: str) -> bool:
    """Whether an output is what a document shows, where … stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split(ANYTHING))
    return re.fullmatch(pattern, output.replace("\r", "").strip(), re.DOTALL) is not None


def settings_table() -> str:
    """Every setting with its default and meaning, in the order in which they are declared."""
    rows = ["| variable | default | |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = (
            "required" if field.is_required() else f"`{_shown(field.default)}`" if field.default != "" else "empty"
        )
        choices = _choices(field.annotation)
        rows.append(f"| `{name.upper()}` | {default} | {field.description}{choices} |")
    return "\n".join(rows)


def problems_table() -> str:
    """Every type of problem, by status."""
    kinds = {kind.slug: kind for kind in _kinds(Problem) if kind is not ForwardedProblem}
    rows = ["| status | type | |", "|---|---|---|"]
    rows += [f"| {kind.status} | `{slug}` | {_title(kind)} |" for slug, kind in sorted(kinds.items(), key=_order)]
    return "\n".join(rows)


def senders_table() -> str:
    """Every sender that has a source: how it signs, and where its ids and events are."""
    rows = [
        "| sender | source | signed | id | event | handshake | answer | verified against |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| [{one.title}]({one.page}) | `{one.call}` | {one.source.scheme.summary} | {_found(one.source.delivery_id)} "
        f"| {_found(one.source.event)} | {'; '.join(shake.summary for shake in one.source.handshakes) or '-'} "
        f"| {_answer(one.source)} | its {'published signature' if one.source.name in PUBLISHED else 'description'} |"
        for one in catalog()
    ]
    return "\n".join(rows)


def _found(selector: Selector | None) -> str:
    """Where a source looks, in short: headers and fields of the body."""
    if selector is None:
        return "-"
    return re.sub(r"(body|header|query)\('([^']+)'\)", lambda one: f"`{one[2]}`", selector.name)


def _answer(source: Source) -> str:
    within = "" if source.within is None else f", {source.within:g} s"
    return ("200" if source.only_200 else "2xx") + within


GENERATED = {"settings": settings_table, "problems": problems_table, "senders": senders_table}


def generated(name: str) -> str:
    """What the documents have for a generated part."""
    part = re.compile(rf"<!-- {name}: generated -->\n(.*?)<!-- /{name} -->", re.DOTALL)
    found = [match[1] for document in DOCUMENTS for match in part.finditer(document.read_text())]
    return found[0].strip() if len(found) == 1 else ""


def _order(item: tuple[str, type[Problem]]) -> tuple[int, str]:
    return item[1].status, item[0]


def _kinds(parent: type[Problem]) -> list[type[Problem]]:
    return [kind for child in parent.__subclasses__() for kind in (child, *_kinds(child))]


def _title(kind: type[Problem]) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def _choices(annotation: Any) -> str:
    choices = [one for one in get_args(annotation) if isinstance(one, str)]
    return f": {', '.join(choices)}" if choices else ""


def _shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def rewritten(text: str) -> str:
    """A document's text with its generated parts made anew."""
    for part, make in GENERATED.items():
        begin, end = f"<!-- {part}: generated -->\n", f"<!-- /{part} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = f"{before}{begin}{make()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    for one in DOCUMENTS:
        one.write_text(rewritten(one.read_text()))
