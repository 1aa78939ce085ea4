"""Looks at RabbitMQ: how many messages are in a queue, which is all that it tells readers."""

import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery
from celery.states import READY_STATES, REVOKED

from xray.facts import Facts
from xray.management import Depth, Management

EVERY = 0.25  # seconds between looks
AGAIN_AFTER = 5  # seconds: then an interface that didn't answer is tried again
# Events, commands and replies, results by rpc://, and what we move one message by.
NO_TASKS = re.compile(r"^celeryev\.|\.pidbox$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-|\.xray\.")


class AmqpQueues:
    """Asks the management interface, or where there is none, the queues that workers take from."""

    gives_back = True  # at once, when the connection of the worker ends that had fetched it
    doubt = " (If it acknowledges late, RabbitMQ has given its message back, and it comes again.)"

    def __init__(self, app: Celery, facts: Facts, management: Management) -> None:
        self.app, self.facts, self.management = app, facts, management
        self.names: set[str] = set()
        self.held: dict[str, str] = {}  # which task is, isn't known here
        self.left: deque[tuple[float, str]] = deque()  # which tasks have, isn't known here
        self._connection: Any = None
        self._said: dict[str, Depth | int] = {}
        self._looked = self._asks_from = 0.0
        self._why = ""  # the interface can't be had

    @property
    def unseen(self) -> tuple[str, ...]:
        """Say what RabbitMQ doesn't show."""
        found = [
            "what a waiting message looks like: RabbitMQ shows it only to those who take it.",
            "which messages wait, and in which order: only how many is known.",
        ]
        if self._why:
            found += [
                "how many messages are delivered and not acknowledged, and which queues there are "
                "that no worker takes from: RabbitMQ's management interface would tell, but at "
                f"{self.management.url}: {self._why}. (--management names another.)"
            ]
        return tuple(found)

    def know(self, queues: dict[str, str], _options: Mapping[str, Any]) -> None:
        """Learn the names of queues."""
        self.names |= queues.keys()

    def tell_anew(self) -> None:
        """Have all depths be told again: nobody looked since they were."""
        self._said.clear()

    def look(self) -> bool:
        """Look once; tell whether anything has changed."""
        if time.time() < self._looked + EVERY:
            return False
        self._looked, changed = time.time(), False
        for name, depth in (self._told() or self._asked()).items():
            if self._said.get(name) != depth:
                self._said[name], changed = depth, True
                ready, held = depth if isinstance(depth, Depth) else (depth, None)
                self.facts.add("queue", queue=name, depth=ready, held=held, next=[])
        return changed

    def comes_back_at(self, task_id: str) -> None:
        """Say nothing of a message that waits for its return: here none does."""

    def only_name(self) -> str | None:
        """Return the queue's name, if there is only one."""
        return next(iter(self.names)) if len(self.names) == 1 else None

    def is_end(self, state: str | None) -> bool:
        """Tell whether a stored state says that a task has ended.

        Workers store REVOKED when they are told: its message may wait, and be taken by another one.
        """
        return state in READY_STATES and state != REVOKED

    def opened(self, task_id: str) -> None:
        """Find no message: none can be looked at."""

    def _told(self) -> dict[str, Depth]:
        if time.time() < self._asks_from:
            return {}
        try:
            depths = self.management.depths()
        except OSError as error:
            self._asks_from = time.time() + AGAIN_AFTER
            self._why = str(getattr(error, "reason", error))
            return {}
        self._why = ""
        self.names |= {name for name, depth in depths.items() if any(depth) and is_for_tasks(name)}
        return {name: depths.get(name, Depth(0, 0)) for name in sorted(self.names)}

    def _asked(self) -> dict[str, int]:
        return {name: self._depth(name) for name in sorted(self.names)}

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


def is_for_tasks(queue: str) -> bool:
    """Tell a queue of tasks from those that Celery makes for other ends."""
    return not NO_TASKS.search(queue)
