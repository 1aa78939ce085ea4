"""How many wait? On any broker.

"Five orders are waiting" is good to know before you place yours. With Redis as the broker, a queue
is a list, and Redis tells a list's length. But the broker is a setting of the app, and so is the
queue's name: on the day somebody sets RabbitMQ, such an answer breaks. Celery itself talks to every
broker through one library, kombu. Write `waiting` so that it does, too.

`make check CHAPTER=02` sends messages that nobody takes, and counts them with `waiting`: once on
Redis, and once on kombu's filesystem://, where a message is a file in a folder.
"""

from celery import Celery


def waiting(celery_app: Celery) -> int:
    """Return how many messages lie in the app's default queue; 0 if there is no such queue yet."""
    # TODO: ask the app's broker, whichever it is
    return 0
