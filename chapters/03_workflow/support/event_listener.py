"""Watch tasks: the events about them, and the states that are stored for them."""

import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from celery import Celery
from celery.states import READY_STATES
from celery.utils import uuid

Event = dict[str, Any]
ENDS = ("task-succeeded", "task-failed", "task-revoked")


class Watched(NamedTuple):
    """What was said about a task until its end."""

    id: str
    events: list[str]
    stored: list[str]
    result: Any


class EventListener:
    """Collects the events of all tasks, in a thread, until it is stopped."""

    def __init__(self, celery_app: Celery) -> None:
        self.events: list[Event] = []
        self._app = celery_app
        self._waits = 0
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._ready.wait(timeout=30)

    def __enter__(self) -> Self:
        """Listen during a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.stop()

    def stop(self) -> None:
        """Stop listening."""
        self._stopped.set()
        self._thread.join()

    def about(self, task_id: str) -> list[Event]:
        """Return the events about a task, in the order in which they happened."""
        found = [event for event in list(self.events) if event["uuid"] == task_id]
        return sorted(found, key=when)

    def wait_for_end(self, task_id: str, seconds: float = 3) -> None:
        """Wait for the last event about a task. A task that ignores itself has none."""
        deadline = time.monotonic() + seconds
        while not self._has_ended(task_id) and time.monotonic() < deadline:
            self._stopped.wait(0.02)

    def _has_ended(self, task_id: str) -> bool:
        return any(event["type"] in ENDS for event in self.about(task_id))

    def _listen(self) -> None:
        with self._app.connection_for_read() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self._note})

            def before_each_wait() -> None:
                """Be ready before the second wait: Redis subscribes in the first."""
                self._waits += 1
                if self._waits == 2:
                    self._ready.set()
                receiver.should_stop = self._stopped.is_set()

            receiver.on_iteration = before_each_wait
            for _ in receiver.consume(wakeup=False, safety_interval=0.1):
                pass

    def _note(self, event: Event) -> None:
        if event["type"].startswith("task-"):
            self.events.append(event)


def when(event: Event) -> tuple[bool, float]:
    """Return what to sort by: the sender's own event is first, even if it is late."""
    return event["type"] != "task-sent", event["timestamp"]


def watch_task(
    listener: EventListener,
    celery_app: Celery,
    name: str,
    args: Sequence[object],
    **options: Any,
) -> Watched:
    """Send a task by its name, and return what was said about it until its end.

    Only the backend Redis tells of each state that it stores.
    """
    result: Any = celery_app.AsyncResult(uuid())
    backend: Any = celery_app.backend
    stored: list[str] = []
    with backend.client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(backend.get_key_for_task(result.id))  # before it is sent
        celery_app.send_task(name, args, task_id=result.id, **options)
        while not READY_STATES.intersection(stored):
            if message := channel.get_message(timeout=1):
                stored.append(json.loads(message["data"])["status"])
    listener.wait_for_end(result.id)
    events = [event["type"] for event in listener.about(result.id)]
    return Watched(result.id, events, stored, result.result)
