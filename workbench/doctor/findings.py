"""What the doctor's parts tell each other: what is to be examined, and what was found."""

import os
from dataclasses import dataclass, field
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from workbench.chapter import Chapter
from xray.inspect_options import inspect_options

# What servers that are down, or refuse, make libraries raise; the last is Celery's own backend.
DOWN = (OperationalError, AMQPError, RedisError, SQLAlchemyError, OSError, RuntimeError)
ANSWERS_WITHIN = 1.0  # seconds, for workers; one that is alive answers in milliseconds
PROBE = "celery.accumulate"  # a task that each worker has: it returns what it gets
START = "python -m workbench start"
RESTART = f"python -m workbench stop worker; {START} worker"

# Where the field guide explains a fault, by the words that it usually puts on a screen.
GUIDE = {
    "backend-down": "retry-limit-exceeded-while-trying-to-reconnect-to-the-celery-result-store",
    "broker-full": "command-not-allowed-when-used-memory--maxmemory",
    "broker-login": "authentication-required",
    "broker-url": "consumer-cannot-connect-to-amqpguestlocalhost3a",
    "no-backend": "disabledbackend-object-has-no-attribute",
    "no-broker": "consumer-cannot-connect-to-redis",
    "no-worker": "no-nodes-replied-within-time-constraint",
    "old-result": "pending-again-after-a-day",
    "old-worker": "got-an-unexpected-keyword-argument-though-the-code-has-it",
    "other-app": "2-nodes-online-and-you-started-one",
    "other-backend": "pending-though-the-workers-log-says-succeeded",
    "other-queue": "timeouterror-the-operation-timed-out",
    "port-taken": "address-already-in-use",
    "probe-lost": "timeouterror-the-operation-timed-out",
    "unregistered": "received-unregistered-task-of-type",
    "worker-elsewhere": "no-nodes-replied-within-time-constraint",
    "worker-silent": "no-nodes-replied-within-time-constraint",
    "lost": "started-for-ever",
    "wrong-port": "consumer-cannot-connect-to-redis",
}
# And where it explains what a task has failed with.
ERRORS = {
    "ChordError": "chorderror-dependency",
    "MaxRetriesExceededError": "maxretriesexceedederror",
    "NoResultFound": "no-row-was-found-when-one-was-required",
    "NotRegistered": "notregistered",
    "SoftTimeLimitExceeded": "soft-time-limit-and-it-goes-on",
    "TimeLimitExceeded": "timelimitexceeded",
    "WorkerLostError": "workerlosterror-worker-exited-prematurely-signal-9-sigkill",
}


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing. Without a fault all is well with it."""

    about: str
    says: str
    fault: str = ""  # a word that programs may rely on
    mend: str = ""
    error: str = ""  # the type of what a task has failed with

    @property
    def guide(self) -> str:
        """Return where the field guide explains the fault, if it does."""
        entry = ERRORS.get(self.error) or GUIDE.get(self.fault)
        return f"FIELD_GUIDE.md#{entry}" if entry else ""

    def for_programs(self) -> dict[str, str]:
        """Return what programs may rely on."""
        return {
            "about": self.about,
            "says": self.says,
            "fault": self.fault,
            "mend": self.mend,
            "guide": self.guide,
        }


@dataclass(frozen=True)
class AppSettings:
    """What the chapter's own Celery app says of itself."""

    broker: str
    backend: str | None
    queue: str
    tasks: frozenset[str]
    kept: float  # seconds, for results
    transport: dict[str, Any] = field(default_factory=dict)  # those options that the doctor heeds

    def celery(self) -> Celery:
        """Make a Celery app that gives up soon, and takes nothing that workers hold."""
        quick = {"socket_connect_timeout": 1, "socket_timeout": 3, "max_retries": 0}
        app = Celery(broker=self.broker, backend=self.backend or "disabled://")
        app.conf.update(
            broker_connection_timeout=2,
            broker_transport_options={**self.transport, **quick, **inspect_options(self.broker)},
            result_backend_transport_options={"retry_policy": {"max_retries": 0}},
            redis_socket_connect_timeout=1,
            redis_socket_timeout=3,
            task_publish_retry=False,
            task_default_queue=self.queue,
            result_expires=self.kept,
        )
        return app


@dataclass(frozen=True)
class Examination:
    """What is to be examined: a chapter, and how it was started."""

    chapter: Chapter
    env: dict[str, str]  # what its processes have
    port: int  # that its page has, or would like
    running: bool  # the workbench has started it
    others: list[str]  # brokers that may be meant
    xray: str = ""  # the address of the run's X-ray
    broker_given: bool = False  # to the doctor itself, as BROKER_URL
    servers: tuple[str, ...] = ()  # that the run has started, and can start again

    def default_broker(self, settings: AppSettings) -> str | None:
        """Return the broker of workers that were told of none, if the doctor was told of none."""
        return None if self.is_set("CELERY_BROKER_URL") else settings.broker

    def is_set(self, variable: str) -> bool:
        """Tell whether somebody has set a variable, so that the chapter's default isn't used."""
        return variable in self.env or variable in os.environ

    def restart(self, by_hand: str) -> str:
        """Return the command that stops the worker and starts it again."""
        return RESTART if self.running else by_hand
