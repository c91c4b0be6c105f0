"""The WSGI application that gunicorn serves."""

from pumice.settings import Settings
from pumice.web.factory import create_app

app = create_app(Settings.from_env())
