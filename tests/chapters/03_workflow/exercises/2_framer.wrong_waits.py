"""Wrong: waits in the task, and the worker's process with it."""

import json
from threading import Event
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task, shared_task
from flask import current_app


@shared_task(name="tasks.order_frame", bind=True, max_retries=4)
def order_frame(self: Task, photo_id: str) -> int:
    """Wait until the service has time."""
    for _attempt in range(5):
        try:
            return ask(photo_id)
        except HTTPError as error:
            if error.code != 503:
                raise ValueError(error.code)
            Event().wait(int(error.headers["Retry-After"]))
        except OSError:
            raise self.retry(countdown=1)
    raise ValueError("never")


def ask(photo_id: str) -> int:
    """Ask the service once."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(
        f"{current_app.config['FRAMER']}/frames/{photo_id}", body, headers, method="PUT"
    )
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
