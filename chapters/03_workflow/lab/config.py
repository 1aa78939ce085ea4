"""The settings: of Flask, and in app.config["CELERY"] those of Celery."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from flask import Flask

from lab.schedule import SCHEDULE

Settings = Mapping[str, Any]

RESULT_EXPIRES = 24 * 60 * 60  # seconds; an order may wait as long

DEFAULTS: Settings = {
    "broker_url": "redis://localhost:6379/0",
    "result_backend": "redis://localhost:6379/1",
    "accept_content": ["json"],  # refuse what could carry code, such as pickle
    "beat_schedule": SCHEDULE,
    "broker_connection_retry_on_startup": True,  # a worker waits for its broker
    "database_create_tables_at_setup": False,  # not at start, but at the first result
    "include": ["lab.letters", "lab.periodic", "lab.tasks"],  # a worker imports them
    "result_expires": RESULT_EXPIRES,
    "task_default_queue": "photos",  # Celery's default is "celery", for every app
    "task_soft_time_limit": 50,  # seconds; then the task gets an exception
    "task_time_limit": 60,  # seconds; then its process is killed
    "task_track_started": True,  # or a task that runs looks like one that waits
    "timezone": "UTC",  # of the crontabs; times in messages are in UTC anyway
}

# Flask has a visitor who waits: it gives up at once. (By default after many seconds.)
WEB: Settings = {
    "task_publish_retry_policy": {"max_retries": 0},
    "broker_connection_timeout": 1,  # seconds, for RabbitMQ; the next line is Redis'
    "broker_transport_options": {
        "max_retries": 0,  # for `revoke`, which has no retry policy
        "socket_connect_timeout": 0.4,
        "socket_timeout": 1.5,
    },
    "redis_socket_connect_timeout": 0.4,  # "redis_" is the result backend
    "redis_socket_timeout": 1.5,
    "result_backend_always_retry": False,
    "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
}

# Nobody waits for a worker or for beat: they try again, until the servers are back.
WORKER: Settings = {
    "result_backend_always_retry": True,  # a state can't be stored? Try again
    "task_publish_retry_policy": {"max_retries": 100, "interval_max": 1},  # seconds
}


def configure(app: Flask, process: Settings, config: Settings) -> None:
    """Fill app.config, layer by layer; each layer wins over those before it.

    The defaults, then WEB or WORKER, then the environment (LAB_...), then `config`.
    """
    app.config["DIR"] = Path(app.root_path).parent / "var"  # photos, prints, database
    app.config["SMTP_PORT"] = 8025  # of the mail server, on this machine
    app.config["OWNER"] = "owner@photo-lab.example"  # gets the report
    app.config["CELERY"] = deepcopy({**DEFAULTS, **process})
    app.config.from_prefixed_env("LAB")  # LAB_DIR, LAB_CELERY__task_default_queue, ...
    celery_settings = {**app.config["CELERY"], **config.get("CELERY", {})}
    app.config.update(config)
    app.config["CELERY"] = celery_settings
    database = Path(app.config["DIR"]).absolute() / "lab.sqlite"
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{database}")
