"""The Flask app."""

from flask import Flask

from app.settings import Settings
from app.web.chat import chat_blueprint
from app.web.connection import OpenSockets
from app.web.control import control_blueprint
from app.web.front import Front, make_front
from app.web.health import health_blueprint
from app.web.hooks import hooks_blueprint
from app.web.interactions import interactions_blueprint
from app.web.lean import LeanFlask, NoSessions
from app.web.openapi import openapi_blueprint
from app.web.paths import keep_slashes
from app.web.problems import register_problems
from app.web.sessions import sessions_blueprint
from app.web.sockets import register_sockets

BLUEPRINTS = (
    chat_blueprint,
    hooks_blueprint,
    interactions_blueprint,
    sessions_blueprint,
    control_blueprint,
    health_blueprint,
    openapi_blueprint,
)


def create_app(settings: Settings, front: Front | None = None) -> Flask:
    """The front for these settings. Its `extensions["pumice.sockets"]` closes all sockets at a restart."""
    front = front or make_front(settings)
    sockets = OpenSockets()
    app = LeanFlask("pumice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.body_limit
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.body_limit
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    keep_slashes(app)
    app.extensions["pumice.sockets"] = sockets
    app.extensions["pumice.front"] = front
    app.session_interface = NoSessions()
    register_problems(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint(front))
    register_sockets(app, front, sockets)
    return app
