"""A trap: `celery -A traps.wrong_app` looks for a name `app` first, and that is Flask's."""

from lab import create_app

app = create_app()
celery_app = app.extensions["celery"]
