"""What `celery -A make_celery` looks at, as worker or beat. Nothing is called `app`."""

from lab import create_app
from lab.config import WORKER

flask_app = create_app(process=WORKER)
celery_app = flask_app.extensions["celery"]
