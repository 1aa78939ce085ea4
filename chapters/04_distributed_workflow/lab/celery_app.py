"""Celery for a Flask app: tasks run in its context, unless they were cancelled."""

from typing import Any

from celery import Celery, Task
from flask import Flask

from lab.cancel import stop_if_cancelled


def celery_init_app(app: Flask) -> Celery:
    """Make a Celery app for a Flask app, with the settings in app.config["CELERY"]."""

    class FlaskTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run the task with `current_app` and `db.session`, as a view has them."""
            with app.app_context():
                stop_if_cancelled(self)
                return self.run(*args, **kwargs)

    celery_app: Celery = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()  # shared tasks belong to it, in every thread
    app.extensions["celery"] = celery_app
    return celery_app
