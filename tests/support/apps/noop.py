"""A Celery app whose tasks do next to nothing, for what is measured and tested on real workers."""

import os
import threading
from typing import Any

from celery import Celery

app = Celery("noop")
app.conf.broker_connection_retry_on_startup = True
app.conf.task_track_started = "TRACK_STARTED" in os.environ
if "VISIBILITY_TIMEOUT" in os.environ:
    app.conf.broker_transport_options = {
        "visibility_timeout": int(os.environ["VISIBILITY_TIMEOUT"]),
        "unacked_restore_interval": 1,  # seconds, and each time: so that a test needn't wait
        "unacked_restore_throttle": 1,
    }


@app.task(name="noop")
def noop() -> None:
    """Do nothing."""


@app.task(name="sleep")
def nap(seconds: float) -> float:
    """Take a while."""
    threading.Event().wait(seconds)
    return seconds


@app.task(name="note")
def note(text: str) -> None:
    """Write a line to a file, so that it can be counted how often that was done."""
    with open(os.environ["NOTES"], "a") as file:  # noqa: PTH123  (appends in one go)
        file.write(f"{text}\n")


@app.task(name="fail")
def fail(text: str) -> None:
    """Fail, with a message."""
    raise ValueError(text)


@app.task(name="sleep late", acks_late=True)
def nap_late(seconds: float) -> None:
    """Take a while, and acknowledge the message after that."""
    threading.Event().wait(seconds)


@app.task(name="again", bind=True)
def again(self: Any, countdown: float = 0) -> None:
    """Fail at first, and be tried again: at once, or after a while."""
    if not self.request.retries:
        raise self.retry(countdown=countdown)
