"""The report of a replay as one HTML page that needs nothing else."""

from html import escape
from typing import Any

from pumice.agents.exact_json import to_text

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; } summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: .3rem .6rem; }
.baseline { background: #eef; }
.recorded { background: #fde8e8; } .candidate { background: #e6f6e6; } .error { color: #b00; }
"""


def page(report: dict[str, Any]) -> str:
    """The page. What sessions said stands in it as text, whatever it looks like."""
    started = f"{escape(report['status'])}; started {escape(report['createdAt'])}"
    head = f"{report['turns']} turns, {report['changed']} changed"
    body = "".join(_session(session) for session in report["sessions"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Replay: {head}</title><style>{STYLE}</style>'
        f"<h1>Replay</h1><p>{head}; {started}</p>{body}</html>\n"
    )


def _session(session: dict[str, Any]) -> str:
    error = f'<p class="error">not replayed: {escape(session["error"])}</p>' if session["error"] else ""
    turns = "".join(_turn(turn) for turn in session["turns"])
    return f"<h2>{escape(session['sessionId'])}</h2>{error}{turns}"


def _turn(turn: dict[str, Any]) -> str:
    title = escape(" ".join(filter(None, (turn["kind"], turn["name"], turn["interactionId"]))))
    if not turn["changed"]:
        return f"<p>{title}: same</p>"
    shown = "".join(_difference(one) for one in turn["differences"])
    return f"<details open><summary>{title}: <b>changed</b></summary>{shown}</details>"


def _difference(one: dict[str, Any]) -> str:
    recorded, candidate = (escape(to_text(one[side])) for side in ("recorded", "candidate"))
    baseline = f'<pre class="baseline">= {escape(to_text(one["baseline"]))}</pre>' if "baseline" in one else ""
    return (
        f'<p>{escape(one["what"])}</p><pre class="recorded">- {recorded}</pre>{baseline}'
        f'<pre class="candidate">+ {candidate}</pre>'
    )
