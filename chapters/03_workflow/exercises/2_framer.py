"""A task that comes again when the other side says so.

A frame service makes frames for photos. Your task orders one, over HTTP.

| the service answers | `order_frame` must |
| --- | --- |
| 200 or 201, {"frame": NUMBER} | return the number |
| 503 with Retry-After: SECONDS | try again after so many seconds |
| any other code | fail, and not try again |
| nothing: nobody listens (OSError) | try again after one second |

| and also | |
| --- | --- |
| how often | five attempts at most, counting the first; then it fails |
| while it waits | the worker's process does other tasks |
| frames for a photo | one; also if the service made it and answered 503 |
| the task is sent twice for a photo | both return the number of the one frame |

The service has two addresses. POST /frames makes a frame each time. PUT /frames/NAME
makes one frame of that name, however often it is asked. The body is {"photo": ID}.

`make check CHAPTER=03` starts such a service, and a worker with one process.
"""

import json
from urllib.request import Request, urlopen

from celery import shared_task
from flask import current_app


# TODO: with bind=True the function gets its task first, for `retry`. How many attempts?
@shared_task(name="tasks.order_frame")
def order_frame(photo_id: str) -> int:
    """Order a frame for a photo, and return the frame's number."""
    return request_frame(photo_id)  # TODO: what if it raises?


def request_frame(photo_id: str) -> int:
    """Ask the service once. Raise HTTPError for other codes than 200 and 201."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"{current_app.config['FRAMER']}/frames"
    request = Request(url, body, headers, method="POST")  # TODO: one frame only
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
