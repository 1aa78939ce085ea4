"""A Celery app for the X-ray's test of truth: its tasks end when the test wants them to."""

import fcntl
import os
from pathlib import Path
from typing import Any

from celery import Celery

LOCKS = Path(os.environ.get("LOCKS", "."))

app = Celery("truth")
app.conf.broker_connection_retry_on_startup = True
app.conf.task_track_started = True
if app.conf.broker_url and app.conf.broker_url.startswith("redis"):
    app.conf.broker_transport_options = {
        "visibility_timeout": int(os.environ["VISIBILITY_TIMEOUT"]),
        "unacked_restore_interval": 1,  # seconds, and each time: so that a test needn't wait
        "unacked_restore_throttle": 1,
    }


@app.task(name="quick")
def quick(*_before: object) -> str:
    """Do nothing, whatever others have returned."""
    return "done"


@app.task(name="work")
def work(lock: str) -> str:
    """Work as long as the test holds a lock."""
    with (LOCKS / lock).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    return lock


@app.task(name="fail")
def fail() -> None:
    """Fail."""
    raise ValueError("as it was told to")


@app.task(name="again", bind=True, max_retries=2)
def again(self: Any, countdown: float) -> int:
    """Be tried three times."""
    if self.request.retries < 2:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)
