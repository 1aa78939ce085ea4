"""Letters: each is a row first, then sent by a task that tries again."""

import time
from email.message import EmailMessage

from celery import shared_task
from flask import current_app
from sqlalchemy.exc import IntegrityError

from lab.db import db
from lab.models import Letter
from lab.storage import prints_folder
from support import smtp


def write_letter(letter: Letter) -> bool:
    """Write a letter, once; tell whether there was none with its id."""
    db.session.add(letter)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return False
    return True


@shared_task(
    name="tasks.deliver",
    autoretry_for=(smtp.BusyError, OSError),  # OSError: nobody answers
    max_retries=10,
    retry_backoff=1,  # wait up to 1 s, 2 s, 4 s, 8 s, ...
    retry_backoff_max=60,  # but never more than a minute
    retry_jitter=True,  # a random part of that: not all come back together
)
def deliver(letter_id: str) -> dict[str, str | int]:
    """Send a letter, unless it was sent before."""
    letter = db.session.get_one(Letter, letter_id)
    if letter.sent_at is None:
        letter.tries += 1
        db.session.commit()
        smtp.send(build_message(letter), current_app.config["SMTP_PORT"])
        letter.sent_at = time.time()
        db.session.commit()
    return {"letter": letter.id, "tries": letter.tries}


def build_message(letter: Letter) -> EmailMessage:
    """Return a letter as an e-mail. Its Message-ID is the same each time it is sent."""
    picture = None
    if letter.photo_id:
        picture = prints_folder(letter.photo_id) / "medium.jpg"
    return smtp.email_message(
        message_id=f"<{letter.id}@photo-lab.example>",
        to=letter.to,
        subject=letter.subject,
        text=letter.text,
        picture=picture,
    )
