"""The WSGI application that gunicorn serves."""

import logging

from pumice.settings import Settings
from pumice.web.factory import create_app

settings = Settings.from_env()
logging.basicConfig(level=settings.log_level.upper(), format="%(levelname).1s %(name)s %(message)s")
app = create_app(settings)
