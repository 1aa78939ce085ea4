"""The doctor looks at the broker and the result backend."""

import re
from itertools import count
from urllib.parse import urlsplit

from kombu.transport import TRANSPORT_ALIASES
from redis import Redis
from sqlalchemy import create_engine

from workbench import probes
from workbench.doctor.findings import DOWN, START, AppSettings, Examination, Finding
from xray.addresses import is_redis, without_password

REDIS_PORT = 6379
BROKER, BACKEND = "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"


def broker(settings: AppSettings, examination: Examination) -> Finding:
    """Look at the broker: at its address, then at what answers there."""
    address = without_password(settings.broker) + by_default(examination, BROKER)
    if not is_address(settings.broker):
        says = f"'{address}' is no broker's address: it begins with redis:// or amqp://."
        return Finding("broker", says, "broker-url", another_broker(examination))
    error = probes.connection_error(settings.broker)
    if error is None:
        return Finding("broker", f"It answers at {address}.")
    if re.search("(?i)auth|password|ACCESS_REFUSED", str(error)):
        says = f"{address} wants another user or password. ({error})"
        return Finding("broker", says, "broker-login", another_broker(examination))
    if "refused" not in str(error).lower():
        says = f"What is at {address} doesn't answer as such a broker does. ({error})"
        return Finding("broker", says, "not-a-broker", another_broker(examination))
    return nothing_listens(address, settings, examination)


def nothing_listens(address: str, settings: AppSettings, examination: Examination) -> Finding:
    """Say that no broker is there, and whether one is elsewhere."""
    elsewhere = [] if examination.running else list(filter(probes.can_connect, examination.others))
    if elsewhere:
        says = f"Nothing listens at {address}; a broker answers at "
        says += f"{without_password(elsewhere[0])}."
        return Finding("broker", says, "wrong-port", use_broker(examination, elsewhere[0]))
    says = f"Nothing listens at {address}."
    return Finding("broker", says, "no-broker", start_broker(settings, examination))


def start_broker(settings: AppSettings, examination: Examination) -> str:
    """Return the command that starts a broker where the chapter looks for one."""
    if "broker" in examination.servers and not examination.broker_given:
        return f"{START} broker"
    if examination.running or examination.broker_given or examination.is_set(BROKER):
        return another_broker(examination)
    if probes.is_free(examination.port):
        return f"make run CHAPTER={examination.chapter.name[:2]}"
    if not is_redis(settings.broker):
        return new_redis()
    port = urlsplit(settings.broker).port or REDIS_PORT  # they type all by hand: the page runs
    return "make redis" if port == REDIS_PORT else f"make redis REDIS_PORT={port}"


def use_broker(examination: Examination, url: str) -> str:
    """Return the command that names another broker."""
    if examination.broker_given:
        return f"make doctor BROKER_URL={url}"
    return f"export CELERY_BROKER_URL={url}"


def another_broker(examination: Examination) -> str:
    """Return what ends the use of an address at which no broker will answer."""
    if examination.broker_given:
        return "unset BROKER_URL; make doctor"
    return another(examination, BROKER)


def another(examination: Examination, variable: str) -> str:
    """Return what ends the use of an address, whether it was set or is the chapter's own."""
    if examination.running:
        return f"(Ctrl-C in the terminal of make run) unset {variable}; make run"
    if examination.is_set(variable):
        return f"unset {variable}"
    return new_redis()


def new_redis() -> str:
    """Return the command that starts a Redis at a port that is free."""
    port = next(port for port in count(6380) if probes.is_free(port))
    return f"make redis REDIS_PORT={port} (it says what to export in the other terminals)"


def by_default(examination: Examination, variable: str) -> str:
    """Say that an address is the chapter's own, if nobody has set another."""
    return "" if examination.is_set(variable) else f" (the chapter's default: {variable} isn't set)"


def is_address(url: str) -> bool:
    """Tell whether this can be the address of a broker."""
    try:
        parts = urlsplit(url)
        return parts.scheme in TRANSPORT_ALIASES and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def backend(settings: AppSettings, examination: Examination) -> Finding:
    """Look at the result backend."""
    if not settings.backend or settings.backend.startswith("disabled"):
        return Finding(
            "backend",
            "There is none: nobody can be asked how a task stands, or what it returned.",
            "no-backend",
            name_backend(settings, examination),
        )
    address = without_password(settings.backend) + by_default(examination, BACKEND)
    try:
        tried = connect(settings.backend)
    except (*DOWN, ValueError) as error:
        says = f"It doesn't answer at {address}. ({error})"
        return Finding("backend", says, "backend-down", start_backend(settings, examination))
    if tried:
        return Finding("backend", f"It answers at {address}.")
    return Finding("backend", f"{address}, which only the probe can try.")


def connect(url: str) -> bool:
    """Connect to a result backend; return False if it is of a kind that we can't try."""
    if url.startswith("db+"):
        create_engine(url.removeprefix("db+")).connect().close()
        return True
    if not is_redis(url):
        return False
    with Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2) as connection:
        connection.ping()
    return True


def start_backend(settings: AppSettings, examination: Examination) -> str:
    """Return what brings a result backend that answers."""
    if "backend" in examination.servers:
        return f"{START} backend"
    if examination.running or examination.is_set(BACKEND):
        return another(examination, BACKEND)
    return name_backend(settings, examination)


def name_backend(settings: AppSettings, examination: Examination) -> str:
    """Return what names a result backend, where a setting is missing or names none."""
    if examination.running:
        return another(examination, BACKEND)
    has_no_password = settings.broker == without_password(settings.broker)
    if is_redis(settings.broker) and has_no_password:  # it has just answered
        return f"export {BACKEND}={other_database(settings.broker)} (in the worker's terminal, too)"
    return new_redis()


def other_database(broker_url: str) -> str:
    """Return the address of another database of the same Redis."""
    parts = urlsplit(broker_url)
    return parts._replace(path="/2" if parts.path == "/1" else "/1").geturl()
