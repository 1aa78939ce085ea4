"""A trap: `celery -A traps.wrong_app` takes the name `app` first, which is Flask's."""

from lab import create_app

app = create_app()
celery_app = app.extensions["celery"]
