"""The Celery app of a chapter that the tests have made up."""

from celery import Celery

celery_app = Celery("trial")
celery_app.conf.update(
    include=["lab.tasks"],
    result_expires=24 * 3600,
    task_default_queue="trial",
)
