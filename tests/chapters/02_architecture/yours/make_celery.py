"""What `celery -A make_celery worker` looks at. Nothing here is called `app`."""

from words import create_app

flask_app = create_app(process={})
celery_app = flask_app.extensions["celery"]
