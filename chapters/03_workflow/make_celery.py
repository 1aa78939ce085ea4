"""What `celery -A make_celery` looks at: nothing here is called app, which it would take first."""

from lab import create_app

# No visitor waits for a worker or for beat: where Flask gives up at once, they try again, for long.
PATIENT = {
    "broker_transport_options": {},
    "result_backend_always_retry": True,  # or a task fails whose start can't be written down
    "result_backend_transport_options": {},
    "task_publish_retry_policy": {"max_retries": 100, "interval_max": 1},  # tasks send tasks here
}

flask_app = create_app({"CELERY": PATIENT})
celery_app = flask_app.extensions["celery"]
