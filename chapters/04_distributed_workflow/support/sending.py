"""When a task's message can't be sent: was it sent all the same, and what to answer."""

import socket

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from werkzeug.exceptions import ServiceUnavailable

NOT_SENT = "The queue can't be reached. Your order wasn't taken: try again in a moment."
MAYBE_SENT = "The queue doesn't answer. It may have your order: see /tasks/{} first."


class NotConnectedError(Exception):
    """There is no connection to the broker, so nothing was sent."""


# What sending a task raises when the broker or the result backend doesn't answer. The
# RuntimeError is that of Celery's Redis backend ("Retry limit exceeded ...").
SEND_ERRORS = (NotConnectedError, OperationalError, RedisError, RuntimeError)


def connect(celery_app: Celery) -> None:
    """Connect to the broker, if need be: what fails here was surely not sent."""
    with celery_app.producer_or_acquire() as producer:
        try:
            producer.connection.ensure_connection(max_retries=0)
        except OperationalError as error:
            raise NotConnectedError(str(error)) from error


def surely_not_sent(error: Exception) -> bool:
    """Tell whether the message surely never left this process."""
    if isinstance(error, NotConnectedError | RuntimeError):
        return True  # the result backend, too, is asked before the message is sent
    return any(is_refusal(cause) for cause in causes(error))


def is_refusal(error: BaseException) -> bool:
    """Tell whether no connection was made: nobody listens, or there is no such host."""
    return isinstance(error, ConnectionRefusedError | socket.gaierror)


def causes(error: BaseException | None) -> list[BaseException]:
    """Return an error, and the errors from which it came, the first cause last."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def broker_unavailable(order_id: str, error: Exception) -> ServiceUnavailable:
    """Return the answer 503, which says whether the order was taken."""
    detail = NOT_SENT if surely_not_sent(error) else MAYBE_SENT.format(order_id)
    return ServiceUnavailable(detail, retry_after=5)
