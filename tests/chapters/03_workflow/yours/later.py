"""The lesson's shortest start in your own app: a task for later."""

from datetime import UTC, datetime, timedelta

from celery import Celery

from retries import notify

Celery(broker="memory://").set_default()

later = datetime.now(UTC) + timedelta(hours=1)  # aware, never datetime.now() alone
notify.apply_async((1,), eta=later, expires=later + timedelta(days=1))
