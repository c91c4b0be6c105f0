"""Senders as a hook meets them: they sign what they send, over HTTP."""

import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from pumice.agents.sources import Received
from pumice.sources.catalog import Sender, catalog

REDIS_DATABASE = 12
AGENTS = "senders=tests.support.agents_sources:Senders,shared=tests.support.agents_sources:Shared"
VERIFY_TOKEN = "a token to verify"


def hook_name(sender):
    """The name of a sender's hook."""
    return f"{sender.source.name}-signed" if "signing" in sender.call else sender.source.name


SENDERS = {hook_name(one): one for one in catalog()}


@dataclass(frozen=True)
class Keys:
    """A sender's secret: as the environment holds it, and as it signs."""

    held: str
    signing: str


@dataclass
class Delivering:
    """Sends to one hook of a stack. Answers are the status, the headers in lower case, and the body."""

    url: str
    agent: str
    hook: str
    sender: Sender
    keys: Keys

    def made(self, query="", delivery_id=None, now=None, signing=None):
        """A request with its signature. now: when it was signed, in seconds."""
        at = time.time() if now is None else now
        path = f"/v1/agents/{self.agent}/hooks/{self.hook}" + (f"?{query}" if query else "")
        request = self.sender.source.sample.request(path, at, delivery_id)
        received = Received(request, self.url + request.path, at)
        return self.sender.source.scheme.sign(received, signing or self.keys.signing)

    def send(self, request):
        """Send a request as it is."""
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=35)
        try:
            connection.request(request.method, request.path, request.body, dict(request.headers))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data
        finally:
            connection.close()

    def __call__(self, query="", **options):
        return self.send(self.made(query, **options))


def new_keys() -> dict[str, tuple[Keys, Keys]]:
    """Two secrets of each sender, of which one is being rotated out."""
    made = {}
    for name, sender in SENDERS.items():
        new, old = sender.source.scheme.new_secret(), sender.source.scheme.new_secret()
        made[name] = Keys(*new), Keys(*old)
    return made


def environment(keys):
    """The variables that hold these secrets."""
    environ = {"META_VERIFY_TOKEN": VERIFY_TOKEN, "A_WRONG_SECRET": "this is not base64!"}
    for name, (new, old) in keys.items():
        for variable in SENDERS[name].source.secrets:
            environ[variable] = f"{old.held},{new.held}"
    return environ
