"""The Flask app."""

from flask import Flask

from pumice.settings import Settings
from pumice.web.api.canary_routes import canary_blueprint
from pumice.web.api.control import control_blueprint
from pumice.web.api.deletion import deletion_blueprint
from pumice.web.api.delivery_routes import delivery_blueprint
from pumice.web.api.diff_routes import diff_blueprint
from pumice.web.api.export_routes import export_blueprint
from pumice.web.api.fleet_routes import fleet_blueprint
from pumice.web.api.health import health_blueprint
from pumice.web.api.history import history_blueprint
from pumice.web.api.interactions import interactions_blueprint
from pumice.web.api.job_routes import job_blueprint
from pumice.web.api.landing import landing_blueprint
from pumice.web.api.openapi import openapi_blueprint
from pumice.web.api.outgoing_routes import outgoing_blueprint
from pumice.web.api.replay_routes import replay_blueprint
from pumice.web.api.schedule_routes import schedules_blueprint
from pumice.web.api.session_access import session_access_blueprint
from pumice.web.api.sessions import sessions_blueprint
from pumice.web.chat.routes import chat_blueprint
from pumice.web.hooks.routes import hooks_blueprint
from pumice.web.http.client_address import with_client_address
from pumice.web.http.cors import allow_origins
from pumice.web.http.front import Front, make_front
from pumice.web.http.paths import keep_slashes
from pumice.web.http.problems import register_problems
from pumice.web.http.request_log import log_requests
from pumice.web.http.shortcuts import NoSessions, SingleHostFlask
from pumice.web.sockets.connection import OpenSockets
from pumice.web.sockets.routes import register_sockets

BLUEPRINTS = (
    chat_blueprint,
    hooks_blueprint,
    interactions_blueprint,
    sessions_blueprint,
    session_access_blueprint,
    deletion_blueprint,
    history_blueprint,
    control_blueprint,
    export_blueprint,
    diff_blueprint,
    replay_blueprint,
    fleet_blueprint,
    delivery_blueprint,
    canary_blueprint,
    job_blueprint,
    outgoing_blueprint,
    schedules_blueprint,
    health_blueprint,
    openapi_blueprint,
)


def create_app(settings: Settings, front: Front | None = None) -> Flask:
    """The front for these settings. Its `extensions["pumice.sockets"]` closes all sockets at a restart."""
    front = front or make_front(settings)
    sockets = OpenSockets()
    flask = Flask if settings.runs_stock("flask") else SingleHostFlask
    app = flask("pumice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.body_limit
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.body_limit
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if settings.trusted_proxies:
        app.wsgi_app = with_client_address(app.wsgi_app, settings.trusted_proxies)  # type: ignore[assignment, method-assign]
    app.url_map.merge_slashes = False
    keep_slashes(app)
    allow_origins(app, settings.allowed_origins)
    app.extensions["pumice.sockets"] = sockets
    app.extensions["pumice.front"] = front
    app.session_interface = NoSessions()
    register_problems(app, front.store_away, told=bool(settings.pumice_dev))
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint(front))
    register_sockets(app, front, sockets)
    if settings.pumice_dev:
        log_requests(app)
        app.register_blueprint(landing_blueprint(front))
    return app
