"""The tasks."""

from celery import shared_task

from words.models import Text, db


@shared_task(name="words.count")
def count_words(text_id: str) -> int:
    """Count the words of a text. Counting twice does no harm."""
    text = db.session.get_one(Text, text_id)
    text.words = len(text.body.split())
    db.session.commit()
    return text.words
