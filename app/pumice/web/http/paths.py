"""Addresses whose parts hold slashes: the session `octocat/hello-world` is written `octocat%2Fhello-world`.

WSGI hands over a decoded path (PEP 3333), in which that slash can't be told from one that separates parts. So it is put
back from the address as it came, as a control character, which no id can hold, until the path is taken apart.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing import UnicodeConverter

SLASH = "\x1f"
"""Stands for a slash inside a part, from here to the routes."""

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class PartConverter(UnicodeConverter):
    """One part of an address, with the slashes that it held."""

    def to_python(self, value: str) -> str:
        """The part as it was meant. Nothing has a name with a NUL character, which Postgres can't even be asked for."""
        if "\x00" in value:
            raise NotFound
        return restored(value)


def restored(part: str) -> str:
    """A part of a path with its own slashes."""
    return part.replace(SLASH, "/")


def keep_slashes(app: Flask) -> None:
    """Tell slashes within parts from those between them, in every route of this app. Call it before adding routes."""
    app.url_map.converters["default"] = PartConverter
    inner: Application = app.wsgi_app

    def outer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = _marked(environ)
        return inner(environ, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]


def _marked(environ: Environ) -> str:
    path: str = environ.get("PATH_INFO", "")
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if "%2f" not in raw.lower():
        return path
    written = _path(raw).replace("%2f", "%1F").replace("%2F", "%1F")
    marked = unquote(written, "latin-1")
    return marked[len(marked) - len(path) :] if restored(marked).endswith(path) else path


def _path(raw: str) -> str:
    """The path of an address as it came: with scheme and host in front of it, or without."""
    address = raw.partition("?")[0].partition("#")[0]
    if address.startswith("/") or "://" not in address:
        return address
    return "/" + address.partition("://")[2].partition("/")[2]
