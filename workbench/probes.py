"""How to tell that something is ready. A probe asks once, quickly, and says yes or no."""

import http.client
import shlex
import socket
import time

import kombu
from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from workbench.service import Probe, Service
from xray.inspect_options import inspect_options

# What brokers that aren't ready raise; and kombu, of an address that it can't read.
NOT_YET = (OperationalError, OSError, AMQPError, RedisError, KeyError, ValueError, ImportError)


def answers_http(port: int) -> Probe:
    """Return a probe: something answers HTTP on this port, whatever it says."""

    def probe(_service: Service) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    return probe


def consumes(broker_url: str) -> Probe:
    """Return a probe: this very Celery worker answers through the broker."""
    app = Celery(broker=broker_url)
    app.conf.broker_transport_options = inspect_options(broker_url)

    def probe(service: Service) -> bool:
        ours = {process.pid for process in service.process_tree()}
        for limit in (1, None):  # the first to answer is mostly the one, and sooner known than all
            try:
                workers = app.control.inspect(timeout=0.3, limit=limit).stats() or {}
            except NOT_YET:
                return False
            if not workers or ours & {stats["pid"] for stats in workers.values()}:
                return bool(workers)
        return False

    return probe


def takes_connections(broker_url: str) -> Probe:
    """Return a probe: a broker completes a handshake."""
    return lambda _service: can_connect(broker_url)


def can_connect(broker_url: str) -> bool:
    """Tell whether a broker completes a handshake within two seconds."""
    return connection_error(broker_url) is None


def connection_error(broker_url: str) -> Exception | None:
    """Return why a broker doesn't complete a handshake within two seconds; None if it does."""
    options = {"socket_connect_timeout": 1, "socket_timeout": 2}
    try:
        with kombu.Connection(
            broker_url, connect_timeout=2, transport_options=options
        ) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            assert connection.default_channel
    except NOT_YET as error:
        return error
    return None


def accepts(port: int) -> Probe:
    """Return a probe: something accepts connections on this port."""

    def probe(_service: Service) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return probe


def keeps_running(service: Service) -> bool:
    """Tell whether a process has run for a second, where nothing better can be asked of it."""
    return any(time.time() - process.create_time() > 1 for process in service.process_tree())


def for_command(
    command: str, name: str, port: int, ports: dict[str, int], broker_url: str
) -> Probe:
    """Choose the probe for a line of a Procfile: `web` serves HTTP, a Celery worker consumes.

    One that names another port accepts connections there.
    """
    words = shlex.split(command)
    if "celery" in words and "worker" in words:
        return consumes(broker_url)
    if name == "web":
        return answers_http(port)
    listens = [number for variable, number in ports.items() if f"${{{variable}:-" in command]
    return accepts(listens[0]) if listens else keeps_running


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port
