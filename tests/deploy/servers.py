"""PostgreSQL 15, Redis 7, PgBouncer, RabbitMQ and nginx, each as its documentation says and on a port of its own."""

import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from kombu import Connection

from pumice.dev.ports import HOST, any_free
from tests.deploy.daemons import Daemon, program, unprivileged

PASSWORD = "p@ss/word:1"
"""Has what an address must escape."""


def postgres(folder: Path, version: int = 15) -> tuple[Daemon, str]:
    """A PostgreSQL of this version, and its administrator's address."""
    programs = Path(f"/usr/lib/postgresql/{version}/bin")
    initdb = program(str(programs / "initdb"), f"postgresql-{version}")
    data, port = _folder(folder, "postgres"), any_free()
    account = unprivileged(data)
    options = account.process_options() if account else {}
    command = [initdb, "-D", str(data), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-N"]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **options)
    url = f"postgres://postgres@{HOST}:{port}/postgres"
    settings = [f"--listen-addresses={HOST}", "--unix-socket-directories=", "--fsync=off"]
    argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *settings]
    return Daemon("postgres", argv, data, lambda: _connects(url), account=account), url


def redis_server(folder: Path) -> tuple[Daemon, str]:
    """A Redis with a password, and the address of its database 3."""
    port = any_free()
    arguments = ["--port", str(port), "--requirepass", PASSWORD, "--databases", "4"]
    url = f"redis://:{quote(PASSWORD, safe='')}@{HOST}:{port}/3"
    return _redis(folder, arguments, url), url


def redis_with_tls(folder: Path) -> tuple[Daemon, str]:
    """A Redis with a password and a certificate that it signed itself, as Heroku's, and its address."""
    port, key, certificate = any_free(), folder / "key.pem", folder / "certificate.pem"
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=redis", "-days", "1"]
    command = [program("openssl", "openssl"), *make, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    arguments = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", PASSWORD]
    arguments += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    url = f"rediss://:{quote(PASSWORD, safe='')}@{HOST}:{port}"
    return _redis(folder, arguments, f"{url}?ssl_cert_reqs=none"), url


def pgbouncer(folder: Path, target: str) -> tuple[Daemon, str]:
    """A PgBouncer in transaction mode before the Postgres at `target`, and the address for its clients."""
    place = _folder(folder, "pgbouncer")
    account, port = unprivileged(place), any_free()
    server = psycopg.conninfo.conninfo_to_dict(target)
    configuration = place / "pgbouncer.ini"
    configuration.write_text(f"""\
[databases]
* = host={server["host"]} port={server["port"]}
[pgbouncer]
listen_addr = {HOST}
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {place / "users"}
pool_mode = transaction
max_client_conn = 500
default_pool_size = 4
""")
    (place / "users").write_text('"postgres" ""\n')
    url = f"postgresql://postgres@{HOST}:{port}/{server['dbname']}"
    argv = [program("pgbouncer", "pgbouncer"), str(configuration)]
    return Daemon("pgbouncer", argv, place, lambda: _connects(url), account=account), url


def epmd(folder: Path) -> tuple[Daemon, int]:
    """Erlang's port mapper, and its port. Erlang would start one that outlives the node."""
    port = any_free()
    argv = [program("epmd", "rabbitmq-server"), "-port", str(port), "-address", HOST]
    return Daemon("epmd", argv, folder, lambda: _listens(port)), port


def rabbitmq(folder: Path, epmd_port: int) -> tuple[Daemon, str]:
    """A RabbitMQ with a node name, ports, cookie and data of its own, and its address."""
    server = program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    port, url = any_free(), ""
    url = f"amqp://guest:guest@{HOST}:{port}//"
    environ = {
        "RABBITMQ_NODENAME": f"pumice{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(any_free()),
        "RABBITMQ_MNESIA_BASE": str(folder / "rabbitmq"),
        "RABBITMQ_LOG_BASE": str(folder / "rabbitmq"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": HOST,
    }
    return Daemon("rabbitmq", [server], folder, lambda: _amqp_connects(url), environ, grace=60), url


def nginx(folder: Path, servers: str, port: int) -> Daemon:
    """An nginx with these `http` directives, which must listen on `port`."""
    place = _folder(folder, "nginx")
    account = unprivileged(place)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"    {kind}_temp_path {place / kind};" for kind in kinds)
    configuration = place / "nginx.conf"
    configuration.write_text(f"""\
daemon off;
pid {place / "pid"};
error_log stderr warn;
events {{}}
http {{
    access_log off;
{paths}
{servers}
}}
""")
    argv = [program("nginx", "nginx-light"), "-p", str(place), "-e", "stderr", "-c", str(configuration)]
    return Daemon("nginx", argv, place, lambda: _listens(port), account=account)


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir(mode=0o755)
    return folder


def _redis(folder: Path, arguments: list[str], url: str) -> Daemon:
    argv = [program("redis-server", "redis-server"), "--bind", HOST, "--save", "", "--appendonly", "no", *arguments]

    def ready() -> bool:
        with suppress(redis.RedisError), redis.Redis.from_url(url, socket_connect_timeout=2) as client:
            return bool(client.ping())
        return False

    return Daemon("redis", argv, folder, ready)


def _connects(url: str) -> bool:
    with suppress(psycopg.Error):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def _amqp_connects(url: str) -> bool:
    with suppress(OSError), Connection(url, connect_timeout=5) as connection:
        connection.connect()
        return True
    return False


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((HOST, port), 2).close()
        return True
    return False
