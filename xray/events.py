"""Workers' events: each one that arrives becomes a fact."""

import base64
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from celery import Celery
from kombu import Consumer
from redis import Redis

from xray.addresses import is_redis
from xray.beats import Beats
from xray.facts import Fact, Facts
from xray.messages import HIDDEN, shown
from xray.pace import Pace
from xray.tasks import Tasks

Event = dict[str, Any]
ENDS = {"succeeded", "failed", "retried", "revoked", "rejected", "cancelled"}
NAMES = {  # Celery's name of a field, and ours
    "uuid": "id",
    "timestamp": "at",
    "hostname": "worker",
    "name": "task",
    "root_id": "root",
    "parent_id": "parent",
    "eta": "eta",
    "expires": "expires",
    "retries": "retries",
    "queue": "queue",
    "runtime": "runtime",
    "result": "result",
    "exception": "error",
    "expired": "expired",
    "terminated": "terminated",
    "signum": "signum",
}


class Events:
    """Writes down what workers tell of their tasks."""

    def __init__(
        self,
        facts: Facts,
        tasks: Tasks,
        beats: Beats,
        redact: bool,
        on_worker: Callable[[Event], None],
    ) -> None:
        self.facts, self.tasks, self.beats = facts, tasks, beats
        self.redact, self.on_worker = redact, on_worker
        self.count = 0
        self.retried: deque[str] = deque()  # tasks that wait again, in another message
        self.ended: deque[str] = deque()  # tasks whose results may be looked at now

    def take(self, body: Any) -> None:
        """Take in what one message holds: an event, or a list of them."""
        for event in body if isinstance(body, list) else [body]:
            self.count += 1
            kind, _, what = event["type"].partition("-")
            if kind == "task":
                self._task(what, event)
            elif kind == "worker":
                self.on_worker(event)

    def _task(self, what: str, event: Event) -> None:
        fact = {
            NAMES[name]: value
            for name, value in event.items()
            if name in NAMES and value is not None
        }
        if what in ("received", "sent"):
            fact["args"] = shown(event, self.redact, "args kwargs")
        if what == "sent":
            fact["origin"] = fact.pop("worker")  # it is told by who sends, and not by a worker
        if "error" in fact:
            self._clear_up(fact, event)
        if self.redact:
            fact |= {name: HIDDEN for name in ("result", "error") if name in fact}
        fact |= {"of": "event", "type": what}
        self.facts.put(fact)
        self._remember(what, event)
        if what == "received":
            self.beats.guess(event)

    def _clear_up(self, fact: Fact, event: Event) -> None:
        if fact["error"] == "None":  # tried again, and not for an error
            del fact["error"]
        elif fact["error"].startswith("ExceptionWithTraceback"):
            # Celery 5.7 says no more of an error that it has wrapped; its traceback ends with it.
            fact["error"] = str(event.get("traceback")).strip().rpartition("\n")[2]

    def _remember(self, what: str, event: Event) -> None:
        task_id = event["uuid"]
        task = self.tasks[task_id]
        task.ended = False
        worker, main = event.get("hostname"), event.get("pid")
        if what == "received":
            this_try = event.get("retries") or 0
            if this_try > task.fetched_try:  # the last one's worker has it no more
                self.tasks.waits_again(task_id)
            task.fetched_try = this_try
            self.tasks.is_fetched(task_id, worker, main)
        elif what == "started":
            task.gave_up = max(task.gave_up, task.fetched_try)
            self.tasks.has_started(task_id, worker, main, event.get("timestamp", 0))
        elif what == "retried":
            if self.tasks.gives_up(task_id):
                self.tasks.waits_again(task_id)
                self.retried.append(task_id)
        elif what in ENDS:
            self.tasks.has_ended(task_id)
        if what in ENDS and what != "rejected":
            self.ended.append(task_id)


def listen(broker: str, app: Celery, awake: Callable[[], bool], pace: Pace) -> Iterable[Any]:
    """Give what each of the workers' messages holds; None if there was none for a moment."""
    if is_redis(broker):
        return from_redis(broker, awake, pace)
    return from_celery(app, awake)


def from_redis(broker: str, awake: Callable[[], bool], pace: Pace) -> Iterable[Any]:
    """Listen on Redis itself.

    Celery's own receiver would do, too, but it declares a queue in the broker, and leaves it there
    if it is killed; and kombu spends as much again on each message. To Redis, an event is
    nothing but words on a channel. (By protocol 2, since redis-py reads that quicker than 3.)
    """
    client: Any = Redis.from_url(broker, socket_connect_timeout=1, protocol=2)
    # Channels know no databases: kombu writes the number into their names.
    database = client.connection_pool.connection_kwargs.get("db", 0)
    with client, client.pubsub() as listener:
        listener.psubscribe(f"/{database}.celeryev/*")
        while awake():
            message = listener.get_message(timeout=0.25)
            yield None
            while message:
                if message["type"] == "pmessage":
                    yield decode(message["data"])
                message = listener.get_message(timeout=0)
            time.sleep(pace.gathers_for())


def decode(raw: bytes) -> Any:
    """Return the event, or the list of events, in a message of kombu's."""
    return json.loads(base64.b64decode(json.loads(raw.decode())["body"]).decode())


def from_celery(app: Celery, awake: Callable[[], bool]) -> Iterable[Any]:
    """Listen by Celery's own receiver, on any broker that it knows."""
    found: list[Any] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": found.append})
        channel = connection.default_channel
        (consumer,) = receiver.get_consumers(partial(Consumer, channel), channel)
        with consumer:
            while awake():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.25)
                yield list(found)
                found.clear()
