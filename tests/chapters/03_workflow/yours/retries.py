"""The lesson's shortest start in your own app: a task that may be tried again."""

from celery import shared_task

NOTICES: dict[int, list[str]] = {}  # in the place of your rows, and of a server


def was_notified(row_id: int) -> bool:
    """Look into your database."""
    return row_id in NOTICES


def send_notice(row_id: int, message_id: str) -> None:
    """Talk to another machine."""
    NOTICES.setdefault(row_id, []).append(message_id)


def note_notified(row_id: int) -> None:
    """Write it into your database, and commit."""


@shared_task(
    name="retries.notify",
    autoretry_for=(ConnectionError, TimeoutError),
    max_retries=10,
    retry_backoff=1,
    retry_backoff_max=60,
)
def notify(row_id: int) -> None:
    """Tell somebody, once, that a row has changed."""
    if was_notified(row_id):
        return
    send_notice(row_id, message_id=f"notice-{row_id}")
    note_notified(row_id)
