from celery import Celery

celery = Celery(
    "tasks",
    broker="redis://localhost:6379/0",
    backend="redis://localhost:6379/1",
)
celery.conf.update(
    task_default_queue="words",  # of this app alone; by default all apps share "celery"
    task_time_limit=60,
    task_track_started=True,
)


@celery.task(name="tasks.count_words")
def count_words(text: str) -> int:
    return len(text.split())
