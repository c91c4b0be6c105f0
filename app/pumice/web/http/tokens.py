"""Session tokens: JSON Web Tokens (RFC 7519, HS256) by which an author's server lets a client reach one session.

An agent with `require_session_token = True` takes a public key only together with one. Claims: `aud` the agent id,
`sub` the session id, `exp` the end of its life. The key is the setting SESSION_TOKEN_SECRET.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from flask import Request

from pumice.agents.spec import AgentSpec
from pumice.errors import Forbidden, Unauthorized
from pumice.settings import Settings
from pumice.web.http.auth import Key
from pumice.web.http.request_fields import either


def given_token(request: Request, body: Mapping[str, Any] | None = None) -> str | None:
    """The session token that came: header `x-session-token`, query or body."""
    found = request.headers.get("x-session-token") or either(request.args, "sessionToken", "session_token")
    if found is None and body is not None:
        found = either(body, "sessionToken", "session_token")
    return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may reach: only this session, or any when it is None; until then, in Unix time, or for ever."""

    session_id: str | None = None
    expires: float | None = None

    def check(self, session_id: str) -> None:
        """Raise `Forbidden` for a session that is not the granted one."""
        if self.session_id is not None and self.session_id != session_id:
            raise Forbidden("The session token is for another session.")


def granted(settings: Settings, spec: AgentSpec, key: Key, token: str | None, *, always: bool = False) -> Grant:
    """What this client may reach. A secret key needs no token, a public one only where its agent requires it.

    always: a public key needs one here, whatever its agent requires.
    Raises `Unauthorized` for a token that is missing, wrong or expired.
    """
    if key.kind == "secret" or not (always or spec.cls.require_session_token):
        return Grant()
    if token is None:
        raise Unauthorized("This needs a session token (x-session-token) beside a public key.")
    if not settings.session_token_secret:
        raise Forbidden("This needs a session token, but SESSION_TOKEN_SECRET is not set.")
    try:
        claims = jwt.decode(
            token,
            settings.session_token_secret,
            algorithms=["HS256"],
            audience=spec.id,
            options={"require": ["exp", "sub", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise Unauthorized(f"The session token is not valid: {error}") from None
    return Grant(str(claims["sub"]), float(claims["exp"]))


def token_session(settings: Settings, spec: AgentSpec, key: Key, token: str | None) -> str | None:
    """The only session that this client may reach; None when it may reach any. Raises as `granted` does."""
    return granted(settings, spec, key, token).session_id
