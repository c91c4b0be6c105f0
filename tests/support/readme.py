"""README.md as tests read it: its blocks, and the parts of it that are generated from the code.

`python -m tests.support.readme` writes the generated parts anew.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pumice.errors import Problem
from pumice.sessions.finished import ForwardedProblem
from pumice.settings import Settings

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the comment just before it, and its text."""

    language: str
    note: str
    text: str


def blocks() -> list[Block]:
    """All fenced blocks in order."""
    found = BLOCK.finditer(README.read_text())
    return [Block(one["language"], one["note"] or "", one["text"]) for one in found]


def shell() -> Iterator[tuple[Block, str | None]]:
    """The shell blocks, each with the output that is shown for it, if any."""
    found = blocks()
    for block, following in zip(found, [*found[1:], Block("", "", "")], strict=True):
        if block.language == "sh":
            shows = following.language == "text" and f"```sh\n{block.text}```\n```text\n" in README.read_text()
            yield block, following.text if shows else None


def fits(output: str, shown: str) -> bool:
    """Whether an output is what README shows, where … stands for anything."""
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


GENERATED = {"settings": settings_table, "problems": problems_table}


def generated(name: str) -> str:
    """What README has for a generated part."""
    found = re.search(rf"<!-- {name}: generated -->\n(.*?)<!-- /{name} -->", README.read_text(), re.DOTALL)
    return found[1].strip() if found else ""


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
    """README's text with the generated parts made anew."""
    for part, make in GENERATED.items():
        begin, end = f"<!-- {part}: generated -->\n", f"<!-- /{part} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{make()}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text()))
