"""The doctor looks at the broker and the result backend."""

import re
from urllib.parse import urlsplit

from kombu.transport import TRANSPORT_ALIASES
from redis import Redis
from sqlalchemy import create_engine

from workbench import probes
from workbench.doctor.findings import DOWN, AppSettings, Examination, Finding
from xray.addresses import without_password


def broker(settings: AppSettings, examination: Examination) -> Finding:
    """Look at the broker: at its address, then at what answers there."""
    address = without_password(settings.broker)
    if not is_address(settings.broker):
        return Finding(
            "broker",
            f"'{address}' is no broker's address: it begins with redis:// or amqp://.",
            "broker-url",
            "unset CELERY_BROKER_URL",
        )
    error = probes.connection_error(settings.broker)
    if error is None:
        return Finding("broker", f"It answers at {address}.")
    if re.search("(?i)auth|password|ACCESS_REFUSED", str(error)):
        says = f"{address} wants another user or password. ({error})"
        return Finding("broker", says, "broker-login", "unset CELERY_BROKER_URL")
    if "refused" not in str(error).lower():
        says = f"What is at {address} doesn't answer as such a broker does. ({error})"
        return Finding("broker", says, "not-a-broker", "unset CELERY_BROKER_URL")
    elsewhere = [] if examination.running else list(filter(probes.can_connect, examination.others))
    if elsewhere:
        return Finding(
            "broker",
            f"Nothing listens at {address}; a broker answers at {without_password(elsewhere[0])}.",
            "wrong-port",
            f"export CELERY_BROKER_URL={elsewhere[0]}",
        )
    everything = (
        f"make run CHAPTER={examination.chapter.name[:2]}"  # or else they type it all by hand
    )
    mend = examination.start(
        "broker", everything if probes.is_free(examination.port) else "make redis"
    )
    return Finding("broker", f"Nothing listens at {address}.", "no-broker", mend)


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
            "export CELERY_RESULT_BACKEND=redis://localhost:6379/1",
        )
    address = without_password(settings.backend)
    try:
        if settings.backend.startswith("db+"):
            create_engine(settings.backend.removeprefix("db+")).connect().close()
        elif settings.backend.startswith("redis"):
            with Redis.from_url(
                settings.backend, socket_connect_timeout=1, socket_timeout=2
            ) as connection:
                connection.ping()
        else:
            return Finding("backend", f"{address}, which only the probe can try.")
    except (*DOWN, ValueError) as error:
        mend = examination.start("backend", "unset CELERY_RESULT_BACKEND")
        return Finding(
            "backend",
            f"It doesn't answer at {address}. ({error})",
            "backend-down",
            mend,
        )
    return Finding("backend", f"It answers at {address}.")
