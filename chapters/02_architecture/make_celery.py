"""What `celery -A make_celery` looks at: nothing here is called app, which it would take first."""

from lab import create_app

# No visitor waits for a worker: it may try again, for long, to store a result.
flask_app = create_app({"CELERY": {"result_backend_transport_options": {}}})
celery_app = flask_app.extensions["celery"]
