"""Wrong: chooses its own waits, and takes a no for an error that may pass."""

import json
from urllib.request import Request, urlopen

from celery import shared_task
from flask import current_app


@shared_task(
    name="tasks.order_frame",
    autoretry_for=(OSError,),
    max_retries=4,
    retry_backoff=1,
    retry_jitter=False,
)
def order_frame(photo_id: str) -> int:
    """Do as `deliver` does."""
    return ask(photo_id)


def ask(photo_id: str) -> int:
    """Ask the service once."""
    body = json.dumps({"photo": photo_id}).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(
        f"{current_app.config['FRAMER']}/frames/{photo_id}", body, headers, method="PUT"
    )
    with urlopen(request, timeout=5) as answer:
        return int(json.load(answer)["frame"])
