"""A task that comes again when the other side says so.

PUT is idempotent (RFC 9110, 9.2.2): done twice, it leaves what it leaves done once. The
name must be the same for each attempt and each message, so the task's id would not do.
Retry-After may also be a date (10.2.3), which this service doesn't send.
"""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from celery import Task, shared_task
from flask import current_app

from support.smtp import BusyError, RefusedError


@shared_task(name="tasks.order_frame", bind=True, max_retries=4)  # after the first
def order_frame(self: Task, photo_id: str) -> int:
    """Order a frame for a photo, and return the frame's number."""
    try:
        return request_frame(photo_id)
    except HTTPError as error:  # an OSError as well, so it comes first
        if error.code != 503:
            raise RefusedError(f"{error.code} {error.reason}") from None
        seconds, why = int(error.headers.get("Retry-After", 1)), "503"
    except OSError as error:
        seconds, why = 1, str(error)
    # This sends the task again and raises Retry. After the last attempt: `exc`.
    raise self.retry(exc=BusyError(why), countdown=seconds)


def request_frame(photo_id: str) -> int:
    """Ask the service once. Raise HTTPError for other codes than 200 and 201."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"{current_app.config['FRAMER']}/frames/{photo_id}"  # the frame's name
    request = Request(url, body, headers, method="PUT")
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
