"""How many messages wait? On any broker.

| the app's default queue | `waiting(celery_app)` returns |
| --- | --- |
| three messages | 3, and leaves them there |
| one was taken out | 2 |
| not there yet | 0 |

With Redis a queue is a list, and Redis knows a list's length. But broker and queue are
settings of the app. With RabbitMQ such an answer is wrong. Celery itself talks to every
broker through one library, kombu: so should `waiting`.

`make check CHAPTER=02` sends messages that nobody takes, and counts them: once on
Redis, and once on kombu's filesystem://, where a message is a file in a folder.
"""

from celery import Celery


def waiting(celery_app: Celery) -> int:
    """Return how many messages are in the app's default queue."""
    # TODO: ask the app's broker, whichever it is
    return 0  # TODO: and this only if there is no such queue
