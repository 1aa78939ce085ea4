"""Ask somebody who is busy: come again when he says so.

PUT is idempotent (RFC 9110, 9.2.2): done twice, it leaves what it leaves done once. POST isn't. The
name must be the same on every attempt and for every message, so the task's id would not do. What
Retry-After may hold as well is a date (10.2.3), which this framer doesn't send.
"""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task, shared_task
from flask import current_app

from lab.mail import BusyError, RefusedError


@shared_task(
    name="tasks.order_frame", bind=True, max_retries=4
)  # after the first attempt
def order_frame(self: Task[Any, Any], photo_id: str) -> int:
    """Order a frame for a photo, and return the frame's number."""
    try:
        return ask(photo_id)
    except HTTPError as error:  # it is an OSError as well, so it comes first
        if error.code != 503:
            raise RefusedError(f"the framer says {error.code} {error.reason}") from None
        seconds, why = int(error.headers.get("Retry-After", 1)), "the framer is busy"
    except OSError as error:
        seconds, why = 1, str(error)
    # This sends the task anew and raises Retry. After the last attempt it raises `exc`.
    raise self.retry(exc=BusyError(why), countdown=seconds)


def ask(photo_id: str) -> int:
    """Ask the framer once. Other answers than 200 and 201 are HTTPErrors, nobody is an OSError."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"{current_app.config['FRAMER']}/frames/{photo_id}"  # the photo's id is the frame's name
    with urlopen(Request(url, body, headers, method="PUT"), timeout=5) as answer:
        return int(json.load(answer)["frame"])
