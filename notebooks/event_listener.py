"""Listens for the events that workers send of their tasks."""

import json
import threading
from typing import Any, NamedTuple

from celery import Celery
from celery.result import AsyncResult
from celery.states import READY_STATES
from celery.utils import uuid
from session import until


class Watched(NamedTuple):
    """The events of a task, what was stored of it, and its result."""

    events: list[str]
    stored: list[str]
    result: Any


class EventListener:
    """Collects the events of all tasks in a thread, until it is stopped."""

    def __init__(self, app: Celery) -> None:
        self.events: list[dict[str, Any]] = []
        self._app, self._ready = app, threading.Event()
        self._stopped, self._thread = False, threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._ready.wait(timeout=30)

    def _listen(self) -> None:
        with self._app.connection_for_read() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self._note})
            receiver.on_consume_ready = lambda *_args, **_options: self._ready.set()
            receiver.on_iteration = lambda: setattr(receiver, "should_stop", self._stopped)
            for _ in receiver.consume(wakeup=False, safety_interval=0.1):
                pass

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            self.events.append(event)

    def of(self, task_id: str, kind: str = "task-") -> list[dict[str, Any]]:
        """Return the events of a task, the oldest first."""
        return [
            event
            for event in list(self.events)
            if event["uuid"] == task_id and event["type"].startswith(kind)
        ]

    def starts(self, task_ids: list[str], times: int = 1) -> list[list[float]]:
        """Wait until each task has begun so many times; return when, in seconds since 1970."""

        def look() -> list[list[float]]:
            found = [
                [event["timestamp"] for event in self.of(task_id, "task-started")][:times]
                for task_id in task_ids
            ]
            return found if all(len(starts) == times for starts in found) else []

        return until(look, f"{times} starts of each task")

    def watch(self, name: str, *args: object) -> Watched:
        """Send a task, and return what was told of it when it is done."""
        result: AsyncResult[Any] = self._app.AsyncResult(uuid())
        backend: Any = self._app.backend  # Redis tells of each state that it stores
        stored: list[str] = []
        with backend.client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(backend.get_key_for_task(result.id))  # before anything is stored
            self._app.send_task(name, args, task_id=result.id)
            while not READY_STATES.intersection(stored):
                if message := channel.get_message(timeout=1):
                    stored.append(json.loads(message["data"])["status"])
        until(lambda: self.of(result.id, "task-succeeded"), f"the event that {name} succeeded")
        return Watched([event["type"] for event in self.of(result.id)], stored, result.result)

    def stop(self) -> None:
        """Stop collecting."""
        self._stopped = True
        self._thread.join()
