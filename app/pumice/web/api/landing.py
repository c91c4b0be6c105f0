"""`/`, while an agent is being written: what is served, and how to call it. In production there is nothing there."""

import json
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template_string, request

from pumice.agents.handlers import Hook
from pumice.agents.jobs import Job
from pumice.agents.spec import AgentSpec
from pumice.dev.samples import SESSION, sample
from pumice.web.http.front import Front

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pumice</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #8885; padding-top: 1rem; }
  pre { background: #8881; padding: .6rem .8rem; overflow-x: auto; border-radius: .4rem; font-size: .85rem; }
  td { padding: .1rem 1.5rem .1rem 0; vertical-align: top; } code { font-size: .9em; }
</style>
<h1>Pumice serves {{ agents|length }} agent{{ "" if agents|length == 1 else "s" }} here</h1>
<p><a href="/openapi.json">openapi.json</a> · <a href="/readyz">readyz</a> · <a href="/metrics">metrics</a></p>
{% for agent in agents %}
<h2>{{ agent.id }}</h2>
<p>{{ agent.about }} <code>{{ agent.cls }}</code></p>
{% if agent.calls %}<h3>Call it</h3>{% endif %}
{% for call in agent.calls %}<p>{{ call.what }}</p><pre>{{ call.command }}</pre>{% endfor %}
{% if agent.jobs %}<h3>Jobs</h3><table>
{% for job in agent.jobs %}<tr><td>{{ job.name }}</td><td><code>{{ job.cron }}</code></td><td>{{ job.timezone }}</td>
<td>{{ "once" if job.static else "once per session" }}</td></tr>{% endfor %}
</table>{% endif %}
{% endfor %}
</html>
"""


def landing_blueprint(front: Front) -> Blueprint:
    """The landing page."""
    blueprint = Blueprint("landing", __name__)

    @blueprint.get("/")
    def landing() -> Response:
        keys = _public_keys(Path(front.settings.pumice_dev))
        url = request.host_url.rstrip("/")
        agents = [_described(spec, url, keys.get(spec.id, "PUBLIC_KEY")) for spec in front.registry.values()]
        if request.accept_mimetypes.best_match(["text/plain", "text/html"]) == "text/html":
            return Response(render_template_string(PAGE, agents=agents), mimetype="text/html")
        return Response("\n".join(line for agent in agents for line in _lines(agent)), mimetype="text/plain")

    return blueprint


def _public_keys(data: Path) -> dict[str, str]:
    """The agents' public keys, as `pumice dev` has noted them; none while it has not."""
    try:
        agents = json.loads((data / "dev.json").read_text())["agents"]
        return {agent_id: keys["publicKey"] for agent_id, keys in agents.items()}
    except (OSError, ValueError, KeyError):
        return {}


def _described(spec: AgentSpec, url: str, key: str) -> dict[str, Any]:
    calls = [_chat(url, key)] if spec.can_chat else []
    calls += [_hook(spec, url, address, group[0]) for address, group in spec.addresses.items()]
    return {
        "id": spec.id,
        "cls": f"{spec.cls.__module__}:{spec.cls.__qualname__}",
        "about": (spec.cls.__doc__ or "").strip().partition("\n")[0],
        "calls": calls,
        "jobs": [_job(job) for job in spec.jobs.values()],
    }


def _chat(url: str, key: str) -> dict[str, str]:
    body = {"sessionId": SESSION, "messages": [{"role": "user", "content": "hello"}]}
    command = f"curl {url}/v1/chat -H 'x-api-key: {key}' {_body(body)}"
    return {"what": "A chat; with the header accept: text/event-stream it is streamed.", "command": command}


def _hook(spec: AgentSpec, url: str, name: str, hook: Hook) -> dict[str, str]:
    if hook.source is not None and hook.source.secrets:
        what = f"The hook {name} takes what {hook.source.name} signs: this sends a sample, signed."
        return {"what": what, "command": f"pumice hooks trigger {spec.id} {name}"}
    given = sample(spec, name, hook)
    address = f"{url}/v1/agents/{spec.id}/hooks/{name}" + (f"?{urlencode(given.query)}" if given.query else "")
    headers = [f"-H {shlex.quote(f'{header}: {value}')}" for header, value in given.headers.items() if "{" not in value]
    body = [_body({} if given.body is None else given.body)] if "POST" in hook.methods else []
    verified = ", which it verifies: this request is refused" if hook.verify else ""
    what = f"The hook {name} takes {' and '.join(hook.methods)}{verified}."
    return {"what": what, "command": " ".join(["curl", shlex.quote(address), *headers, *body])}


def _body(value: Any) -> str:
    return f"-H 'content-type: application/json' -d {shlex.quote(json.dumps(value))}"


def _job(job: Job) -> dict[str, Any]:
    return {"name": job.name, "cron": job.schedule.text, "timezone": job.timezone, "static": job.static}


def _lines(agent: dict[str, Any]) -> list[str]:
    calls = [line for call in agent["calls"] for line in ("", f"  {call['what']}", f"  {call['command']}")]
    jobs = [f"  job {job['name']}: {job['cron']} ({job['timezone']})" for job in agent["jobs"]]
    return [f"{agent['id']}  {agent['cls']}  {agent['about']}", *calls, "", *jobs, ""]
