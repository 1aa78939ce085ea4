"""The doctor looks at the broker and the result backend."""

import re
from urllib.parse import urlsplit

from kombu.transport import TRANSPORT_ALIASES
from redis import Redis
from sqlalchemy import create_engine

from workbench import probes
from workbench.doctor.findings import DOWN, Examination, Finding, Lab, plain


def broker(lab: Lab, examination: Examination) -> Finding:
    """Look at the broker: at its address, then at what answers there."""
    if not is_address(lab.broker):
        return Finding(
            "broker",
            f"'{plain(lab.broker)}' is no broker's address: it begins with redis:// or amqp://.",
            "broker-url",
            "unset CELERY_BROKER_URL",
        )
    error = probes.connection_error(lab.broker)
    if error is None:
        return Finding("broker", f"It answers at {plain(lab.broker)}.")
    if re.search("(?i)auth|password|ACCESS_REFUSED", str(error)):
        says = f"{plain(lab.broker)} wants another user or password. ({error})"
        return Finding("broker", says, "broker-login", "unset CELERY_BROKER_URL")
    if "refused" not in str(error).lower():
        says = f"What is at {plain(lab.broker)} doesn't answer as such a broker does. ({error})"
        return Finding("broker", says, "not-a-broker", "unset CELERY_BROKER_URL")
    elsewhere = [] if examination.running else list(filter(probes.can_connect, examination.others))
    if elsewhere:
        return Finding(
            "broker",
            f"Nothing listens at {plain(lab.broker)}; a broker answers at {plain(elsewhere[0])}.",
            "wrong-port",
            f"export CELERY_BROKER_URL={elsewhere[0]}",
        )
    everything = (
        f"make run CHAPTER={examination.where.name[:2]}"  # or else they type it all by hand
    )
    mend = examination.start(
        "broker", everything if probes.is_free(examination.port) else "make redis"
    )
    return Finding("broker", f"Nothing listens at {plain(lab.broker)}.", "no-broker", mend)


def is_address(url: str) -> bool:
    """Tell whether this can be the address of a broker."""
    try:
        parts = urlsplit(url)
        return parts.scheme in TRANSPORT_ALIASES and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def backend(lab: Lab, examination: Examination) -> Finding:
    """Look at the result backend."""
    if not lab.backend or lab.backend.startswith("disabled"):
        return Finding(
            "backend",
            "There is none: nobody can be asked how a task stands, or what it returned.",
            "no-backend",
            "export CELERY_RESULT_BACKEND=redis://localhost:6379/1",
        )
    try:
        if lab.backend.startswith("db+"):
            create_engine(lab.backend.removeprefix("db+")).connect().close()
        elif lab.backend.startswith("redis"):
            with Redis.from_url(
                lab.backend, socket_connect_timeout=1, socket_timeout=2
            ) as connection:
                connection.ping()
        else:
            return Finding("backend", f"{plain(lab.backend)}, which only the probe can try.")
    except (*DOWN, ValueError) as error:
        mend = examination.start("backend", "unset CELERY_RESULT_BACKEND")
        return Finding(
            "backend",
            f"It doesn't answer at {plain(lab.backend)}. ({error})",
            "backend-down",
            mend,
        )
    return Finding("backend", f"It answers at {plain(lab.backend)}.")
