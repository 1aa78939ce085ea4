"""Letters: each a row first, then sent by a task that tries again."""

import time

from celery import shared_task
from flask import current_app
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from lab.db import Base, db
from lab.mail import BusyError, envelope, send


class Letter(Base):
    """A letter, as it was written down before it was sent."""

    __tablename__ = "letter"
    id: Mapped[str] = mapped_column(primary_key=True)
    to: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    picture: Mapped[str | None]  # a file in the lab's folder
    written: Mapped[float] = mapped_column(default=time.time)
    tries: Mapped[int] = mapped_column(default=0)
    sent: Mapped[float | None]


def write(letter: Letter) -> bool:
    """Write a letter down, once: say whether there was none under its id."""
    db.session.add(letter)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return False
    return True


@shared_task(
    name="tasks.deliver",
    autoretry_for=(BusyError, OSError),  # OSError: nobody there, or the line broke
    max_retries=10,
    retry_backoff=1,  # wait up to 1 s, 2 s, 4 s, 8 s, ...
    retry_backoff_max=60,  # but never more than a minute
    retry_jitter=True,  # a random part of that, so that not all come back at once
)
def deliver(letter_id: str) -> dict[str, object]:
    """Send a letter, unless it was sent before."""
    letter = db.session.get_one(Letter, letter_id)
    if letter.sent is None:
        letter.tries += 1
        db.session.commit()
        send(envelope(letter), current_app.config["SMTP_PORT"])
        letter.sent = time.time()
        db.session.commit()
    return {"letter": letter.id, "tries": letter.tries}
