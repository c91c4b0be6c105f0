"""A repository watcher fed by GitHub's webhooks.

In the repository's settings, add a webhook to /v1/agents/<agent>/hooks/github with content type application/json, and
put its secret into GITHUB_WEBHOOK_SECRET. GitHub sends each delivery with an id (`X-GitHub-Delivery`); one that is sent
again is recognised by it and gets the first answer, without running anything.
"""

import os
from collections.abc import Sequence
from typing import Any

from pumice import Agent, Message, Request, body, hook
from pumice.sources import github, unsigned

# Without a secret every request is believed: good enough for trying it out, and for nothing else.
GITHUB = github("GITHUB_WEBHOOK_SECRET")
SOURCE = GITHUB if os.environ.get("GITHUB_WEBHOOK_SECRET") else unsigned(GITHUB)


class RepositoryWatcher(Agent):
    """One session is one repository: its id is the full name, such as `octocat/hello-world`."""

    class State(Agent.State):
        """What happened in the repository."""

        pushes: int = 0
        commits: int = 0
        stars: int = 0
        open_issues: dict[int, str] = {}
        last_pusher: str | None = None

    state: State  # tells editors and type checkers what `self.state` is

    @hook("github", source=SOURCE, session=body("repository.full_name"), methods=("POST",))
    def github(self, request: Request) -> Any:
        """Take a delivery. The source knows its event and its id; what belongs to the event is in the body."""
        match request.event:
            case "ping":
                return {"pong": request.json["zen"]}
            case "push":
                self._push(request.json)
            case "star":
                self.state.stars += 1 if request.json["action"] == "created" else -1
            case "issues":
                self._issue(request.json["action"], request.json["issue"])
            case _:
                return {"ignored": request.event}, 202
        self.send({"event": request.event})
        return {"seen": request.event}

    def _push(self, push: dict[str, Any]) -> None:
        self.state.pushes += 1
        self.state.commits += len(push["commits"])
        self.state.last_pusher = push["pusher"]["name"]

    def _issue(self, action: str, issue: dict[str, Any]) -> None:
        if action in {"opened", "reopened"}:
            self.state.open_issues[issue["number"]] = issue["title"]
        elif action in {"closed", "deleted"}:
            self.state.open_issues.pop(issue["number"], None)

    def reply(self, messages: Sequence[Message]) -> str:  # noqa: ARG002 (a summary, whatever was asked)
        """Sum up."""
        state = self.state
        by = f", the last by {state.last_pusher}" if state.last_pusher else ""
        titles = "".join(f"\n#{number} {title}" for number, title in sorted(state.open_issues.items()))
        return (
            f"{state.pushes} pushes with {state.commits} commits{by}. "
            f"Stars: {state.stars:+}. Open issues: {len(state.open_issues)}.{titles}"
        )
