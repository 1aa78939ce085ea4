"""Right as well: errors of its own, one says how long; http.client knows no HTTPError."""

import http.client
import json
from urllib.parse import urlsplit

from celery import Task, shared_task
from flask import current_app


class LaterError(Exception):
    """Come again in so many seconds."""


@shared_task(name="tasks.order_frame", bind=True, max_retries=None)
def order_frame(self: Task, photo_id: str) -> int:
    """Count the attempts by hand."""
    try:
        return ask(photo_id)
    except (OSError, LaterError) as error:
        seconds = error.args[0] if isinstance(error, LaterError) else 1
        if self.request.retries >= 4:
            raise
        raise self.retry(countdown=seconds)


def ask(photo_id: str) -> int:
    """Ask under a name that is made of the photo's id."""
    framer = http.client.HTTPConnection(urlsplit(current_app.config["FRAMER"]).netloc, timeout=5)
    body, headers = json.dumps({"photo": photo_id}), {"Content-Type": "application/json"}
    framer.request("PUT", f"/frames/photo-{photo_id}", body, headers)
    answer = framer.getresponse()
    if answer.status == 503:
        raise LaterError(float(answer.headers["Retry-After"]))
    if answer.status not in (200, 201):
        raise ValueError(f"{answer.status} {answer.reason}")
    return int(json.load(answer)["frame"])
