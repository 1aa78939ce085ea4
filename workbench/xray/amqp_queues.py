"""Looks at RabbitMQ: how many messages are ready in a queue, which is all that it tells readers."""

import time
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery

from workbench.xray.facts import Facts

EVERY = 0.25  # seconds: a look is a round trip for each queue


class AmqpQueues:
    """Asks for the depths of the queues that workers take from."""

    unseen: tuple[str, ...] = (
        "What a message looks like while it waits: RabbitMQ shows it only to those who take it.",
        "Which messages wait, and in which order: only how many is known.",
        "Which messages are delivered and not acknowledged; and so, what was lost.",
    )

    def __init__(self, app: Celery, facts: Facts) -> None:
        self.app, self.facts = app, facts
        self.names: set[str] = set()
        self._connection: Any = None
        self._said: dict[str, int] = {}
        self._looked = 0.0

    def know(self, queues: dict[str, str]) -> None:
        """Learn the names of queues."""
        self.names |= queues.keys()

    def look(self) -> bool:
        """Look once; tell whether anything has changed."""
        if time.time() < self._looked + EVERY:
            return False
        self._looked, changed = time.time(), False
        for name in sorted(self.names):
            depth = self._depth(name)
            if self._said.get(name) != depth:
                self._said[name], changed = depth, True
                self.facts.add("queue", queue=name, depth=depth, next=[])
        return changed

    def opened(self, task_id: str) -> None:
        """Find no message: none can be looked at."""

    def _depth(self, name: str) -> int:
        try:
            if self._connection is None:
                self._connection = self.app.connection_for_read()
                self._connection.ensure_connection(max_retries=1, interval_start=0)
            channel = self._connection.default_channel
            return int(channel.queue_declare(name, passive=True).message_count)
        except NotFound:  # which closes the channel; the next is another
            return 0
        except Exception:
            self._connection = None
            raise
