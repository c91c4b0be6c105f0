"""A delivery as a pytest file: its request is sent to the agent in the test's own process."""

import base64
import re
from typing import Any

from pumice.agents.scrubbing import SECRET_NAME
from pumice.agents.spec import AgentSpec

TEMPLATE = '''"""The delivery {id} of {at} to the hook {hook}: {event}."""

import base64

import pytest

from pumice import testing
from {module} import {name}

BODY = base64.b64decode(
{body}
)
HEADERS = {headers}


@pytest.fixture
def delivery():
    """The request, without its signature; a hook with a source is sent it signed anew."""
    return {{"data": BODY, "headers": HEADERS, "query": {query}, "method": {method!r}}}


def test_delivery_{short}(delivery):
    session = testing.session({name})
    answer = session.hook({hook!r}, **delivery)
    assert answer.status < 400, answer.text
'''
WIDTH = 76


def delivery_test(spec: AgentSpec, document: dict[str, Any]) -> str:
    """The file's text. document: the delivery as clients see it."""
    raw = base64.b64decode(document["bodyBase64"]) if "bodyBase64" in document else document["body"].encode()
    text = base64.b64encode(raw).decode()
    lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)] or [""]
    headers = {name: value for name, value in document["headers"] if not SECRET_NAME.search(name) and _is_own(name)}
    query = dict(re.findall(r"[?&]([^=&]+)=([^&]*)", document["path"]))
    return TEMPLATE.format(
        id=document["id"],
        at=document["receivedAt"],
        hook=document["hook"],
        event=document["event"] or "no event",
        module=spec.cls.__module__,
        name=spec.cls.__qualname__.partition(".")[0],
        body="\n".join(f'    b"{line}"' for line in lines),
        headers=repr(headers),
        query=repr(query),
        method=document["method"],
        short=document["id"].replace("-", "_"),
    )


def _is_own(name: str) -> bool:
    """Whether a header is the sender's, not the connection's."""
    return name.lower() not in {"host", "connection", "content-length", "accept-encoding", "transfer-encoding"}
