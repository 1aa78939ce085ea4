"""What `celery -A make_celery` looks at. Nothing here is called `app`: see trap 1."""

from lab import create_app
from lab.config import WORKER

flask_app = create_app(process=WORKER)
celery_app = flask_app.extensions["celery"]
