"""Whether the broker answers."""

from kombu import Connection

from pumice.messaging.redis_transport import REDIS_SCHEMES, TRANSPORT_OPTIONS
from pumice.settings import Settings

CONNECT_TIMEOUT = 5


def ask_broker(settings: Settings) -> str:
    """Connect to the broker as publishers and workers do, and return what kind it is.

    Raises what its transport raises when it does not answer or refuses.
    """
    scheme = settings.broker.partition("://")[0]
    options = TRANSPORT_OPTIONS if scheme in REDIS_SCHEMES else {}
    with Connection(settings.broker, connect_timeout=CONNECT_TIMEOUT, transport_options=options) as connection:
        connection.connect()
        connection.default_channel  # noqa: B018 (opened when it is looked at; some brokers refuse only then)
        return scheme
