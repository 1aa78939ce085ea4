"""Celery for a Flask app: its settings, and tasks that run in the app's context."""

from typing import Any

from celery import Celery, Task
from flask import Flask, appcontext_pushed

from lab.cancel import stop_if_taken_back
from lab.schedule import SCHEDULE
from support.problems import FAIL_FAST

KEPT_SECONDS = 24 * 60 * 60  # how long a result is kept, and how long an order may wait

DEFAULTS: dict[str, Any] = FAIL_FAST | {
    "broker_url": "redis://localhost:6379/0",
    "result_backend": "redis://localhost:6379/1",
    "accept_content": ["json"],  # refuse anything that could carry code, such as pickle
    "beat_schedule": SCHEDULE,
    "broker_connection_retry_on_startup": True,  # started before its broker, a worker waits
    # As in FAIL_FAST, and `revoke` doesn't wait either, for whoever takes an order back.
    "broker_transport_options": {
        "max_retries": 0,
        "socket_connect_timeout": 0.4,
        "socket_timeout": 1.5,
    },
    "database_create_tables_at_setup": False,  # but when a result is read or written
    "result_backend_always_retry": False,  # a database is asked four times otherwise
    "result_expires": KEPT_SECONDS,
    "task_default_queue": "lab",  # Celery's is "celery", for every app that doesn't say
    "task_soft_time_limit": 50,  # seconds until the task gets an exception it can handle
    "task_time_limit": 60,  # seconds until its process is killed
    "task_track_started": True,  # otherwise a running task looks like a waiting one
    "timezone": "UTC",  # the one that crontabs are read in; messages are in UTC anyway
}


def celery_init_app(app: Flask) -> Celery:
    """Give a Flask app a Celery app of its own, with the settings in app.config["CELERY"]."""

    class FlaskTask(Task[Any, Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run the task where `current_app` and the database session mean this app's."""
            with app.app_context():
                stop_if_taken_back(self)
                return self.run(*args, **kwargs)

    celery_app: Celery = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    # A shared task belongs to whichever Celery app is current. By default, in any thread: this one.
    celery_app.set_default()
    # With several apps in a process: the one whose Flask app is at work.
    appcontext_pushed.connect(lambda _: celery_app.set_current(), app, weak=False)
    app.extensions["celery"] = celery_app
    return celery_app
