"""Celery for a Flask app: tasks run in the app's context."""

from typing import Any

from celery import Celery, Task
from flask import Flask, appcontext_popped, appcontext_pushed, current_app


def celery_init_app(app: Flask) -> Celery:
    """Make a Celery app for a Flask app, with the settings in app.config["CELERY"]."""

    class FlaskTask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run the task with `current_app` and `db.session`, as a view has them."""
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app: Celery = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()  # shared tasks belong to it, in every thread
    app.extensions["celery"] = celery_app
    follow_app_context(app)
    return celery_app


def follow_app_context(app: Flask) -> None:
    """Give shared tasks to the app that works now. One app alone needs no signal."""
    appcontext_pushed.connect(use_current_app, app)
    appcontext_popped.connect(use_current_app, app)


def use_current_app(_: Flask) -> None:
    """Make the Celery app of `current_app`, if there is one, the current Celery app."""
    if current_app:
        current_app.extensions["celery"].set_current()
