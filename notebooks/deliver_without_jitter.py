"""For the worker of the notebook 03_workflow: the task `deliver` once more, without jitter."""

from celery import shared_task

from lab.letters import deliver
from support.smtp import BusyError


@shared_task(
    name="tasks.deliver_without_jitter",
    autoretry_for=(BusyError, OSError),
    max_retries=10,
    retry_backoff=1,  # as in lab/letters.py: wait 1 s, 2 s, 4 s, 8 s, ...
    retry_backoff_max=60,
    retry_jitter=False,  # all of that, not a random part
)
def deliver_without_jitter(letter_id: str) -> dict[str, str | int]:
    """Send a letter as `tasks.deliver` does, but with other waits."""
    return deliver(letter_id)  # a call, not a message
