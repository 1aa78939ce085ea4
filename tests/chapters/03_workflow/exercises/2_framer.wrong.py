"""Wrong: POST makes a frame each time."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task, shared_task
from flask import current_app


@shared_task(name="tasks.order_frame", bind=True, max_retries=4)
def order_frame(self: Task, photo_id: str) -> int:
    """Come when the service says."""
    try:
        return ask(photo_id)
    except OSError as error:
        if not isinstance(error, HTTPError):
            raise self.retry(countdown=1)
        if error.code != 503:
            raise ValueError(error.code)
        raise self.retry(countdown=int(error.headers["Retry-After"]))


def ask(photo_id: str) -> int:
    """Ask the service once."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(f"{current_app.config['FRAMER']}/frames", body, headers, method="POST")
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
