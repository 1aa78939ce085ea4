"""Looks at Redis: what waits in the queues, and what is delivered and not acknowledged."""

import json
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from celery.states import READY_STATES

from xray import messages
from xray.beats import Beats
from xray.facts import Facts
from xray.tasks import Tasks

SHOWN = 30  # messages at each end of a queue; what is between is counted
# kombu keeps a list for each of these priorities, unless the app has set others, and puts this
# into the lists' names, and into what it notes of queues.
LAYOUT: dict[str, Any] = {"priority_steps": (0, 3, 6, 9), "sep": "\x06\x16"}
SEARCHED = 1000  # messages, for the one whose card is open
PAGE = 100  # unacknowledged messages a look

VISIBILITY_TIMEOUT = 3600.0  # seconds: kombu's default

EVERY = 2  # seconds: so often is looked for more queues, among some keys

Envelope = dict[str, Any]


class RedisQueues:
    """Looks by reading only, in one round trip a look, however much there is."""

    gives_back = False  # what a worker had fetched waits for the visibility timeout
    doubt = ""

    def __init__(self, client: Any, facts: Facts, tasks: Tasks, beats: Beats, redact: bool) -> None:
        self.client, self.facts, self.tasks, self.beats = client, facts, tasks, beats
        self.redact = redact
        self.names: set[str] = set()
        self.routes: dict[str, str] = {}  # routing key: queue
        self.layout = LAYOUT
        self.held: dict[str, str] = {}  # task: the queue it came from
        self._unsure: set[str] = set()  # of these, whether they are still held is to be told
        self._seen: dict[bytes, Envelope] = {}  # of the last look, so as not to read twice
        self._said: dict[str, tuple[Any, ...]] = {}
        self._page = self._walk = 0  # where the next look goes on, of what is looked at in parts
        self._walked = 0.0
        self._passed: dict[str, str] = {}  # tasks on the pages before this one
        self.left: deque[tuple[float, str]] = deque(maxlen=1000)  # tasks, and when that was seen
        self._tags: dict[str, bytes] = {}  # task: the delivery tag of its message
        self.visibility_timeout = VISIBILITY_TIMEOUT
        self.unseen: tuple[str, ...] = ()

    def know(self, queues: dict[str, str], options: Mapping[str, Any]) -> None:
        """Learn the queues that workers take from, with their routing keys, and the app's options.

        Those are its broker_transport_options.
        """
        self.visibility_timeout = float(options.get("visibility_timeout") or VISIBILITY_TIMEOUT)
        self.layout = LAYOUT | {name: options[name] for name in LAYOUT if options.get(name)}
        self.names |= queues.keys()
        self.routes |= {route: name for name, route in queues.items()}
        if time.time() > self._walked + EVERY:
            self._walked = time.time()
            self._walk_on()

    def tell_anew(self) -> None:
        """Have what still waits or is still held be told, though it was: nobody looked since."""
        self._said.clear()
        self._unsure = set(self.held)

    def _walk_on(self) -> None:
        """Look for queues that no worker takes from, by what kombu has noted of them.

        A step of a walk that never holds Redis up, however many keys there are.
        """
        self._walk, keys = self.client.scan(self._walk, "*_kombu.binding.*", 200)
        for key in keys:
            prefix, _, exchange = key.decode().partition("_kombu.binding.")
            if prefix:
                self.unseen = (f"an app whose keys begin with {prefix!r}: its global_keyprefix.",)
                continue
            if exchange in ("celeryev", "xray") or exchange.endswith(".pidbox"):
                continue  # events, what we move one message by, and commands to workers
            for member in self.client.smembers(key):
                parts = member.decode().split(self.layout["sep"])
                if len(parts) == 3:  # else its separator is one that we haven't learned yet
                    self.names.add(parts[2])
                    self.routes.setdefault(parts[0], parts[2])

    def look(self) -> bool:
        """Look once; tell whether anything has changed."""
        before = self.facts.last
        names = sorted(self.names)
        pipe = self.client.pipeline(transaction=False)
        for name in names:
            for key in self.keys_of(name):
                pipe.llen(key).lrange(key, -SHOWN, -1)
            pipe.lrange(name, 0, SHOWN - 1)
        pipe.hscan("unacked", self._page, count=PAGE)
        answers = iter(pipe.execute())
        seen: dict[bytes, Envelope] = {}
        waiting = {}
        for name in names:
            depth, following = 0, []
            for _ in self.layout["priority_steps"]:
                length, right = next(answers), next(answers)
                depth += length
                following += reversed(right)
            newest = next(answers)
            waiting[name] = (depth, [self._waits(raw, name, seen) for raw in following])
            for raw in reversed(newest):
                self._waits(raw, name, seen)
        self._page, entries = next(answers)
        self._hold(entries, seen)
        self._seen = seen
        for name, (depth, ids) in waiting.items():
            held = list(self.held.values()).count(name)
            told = (depth, [task_id for task_id in ids if task_id][:SHOWN], held)
            _, following, _ = self._said.get(name, (0, [], 0))
            self._have_left(set(following).difference(told[1]))
            if self._said.get(name) != told:
                self._said[name] = told
                self.facts.add("queue", queue=name, depth=depth, next=told[1], held=held)
        return self.facts.last != before

    def _waits(self, raw: bytes, queue: str, seen: dict[bytes, Envelope]) -> str | None:
        envelope = seen[raw] = self._seen.get(raw) or json.loads(raw)
        task_id = messages.task_id(envelope)
        if task_id and (self.tasks[task_id].place != queue or self._is_next_try(task_id, envelope)):
            if self.held.pop(task_id, None):  # put back: said before where it is now
                self._passed.pop(task_id, None)
                self.facts.add("released", id=task_id)
            self.tasks.waits_again(task_id)
            self.tasks[task_id].place = queue
            self._note("waiting", task_id, envelope, len(raw), queue=queue)
        return task_id

    def _hold(self, entries: dict[bytes, bytes], seen: dict[bytes, Envelope]) -> None:
        for tag, raw in entries.items():
            message = self._seen.get(raw)
            if message is None:
                envelope, _, route = json.loads(raw)
                message = {"envelope": envelope, "queue": self.routes.get(route, route)}
            seen[raw] = message
            task_id = messages.task_id(message["envelope"])
            if not task_id:
                continue
            self._passed[task_id] = message["queue"]
            self._tags[task_id] = tag
            is_new = task_id not in self.held or self._is_next_try(task_id, message["envelope"])
            if is_new or task_id in self._unsure:
                self._unsure.discard(task_id)
                self.held[task_id] = message["queue"]
                self.tasks[task_id].place = "unacked"
                self._note("held", task_id, message["envelope"], len(raw), queue=message["queue"])
        if self._page == 0:  # all pages were looked at
            for task_id in self.held.keys() - self._passed.keys():
                if self.tasks[task_id].place == "unacked":
                    self.tasks[task_id].place = None
                self.facts.add("released", id=task_id)
            self._have_left(self.held.keys() - self._passed.keys())
            self.held, self._passed = self._passed, {}
            self._tags = {task_id: self._tags[task_id] for task_id in self.held}

    def _is_next_try(self, task_id: str, envelope: Envelope) -> bool:
        """Tell whether a message is a retry's: it may come back before the last one was missed."""
        return messages.retries(envelope) > self.tasks[task_id].retries

    def _have_left(self, ids: Iterable[str]) -> None:
        for task_id in ids:
            self.left.append((time.time(), task_id))
            self.tasks.is_fetched(task_id)

    def only_name(self) -> str | None:
        """Return the queue's name, if there is only one."""
        return next(iter(self.names)) if len(self.names) == 1 else None

    def is_end(self, state: str | None) -> bool:
        """Tell whether a stored state says that a task has ended, whose message is nowhere."""
        return state in READY_STATES

    def comes_back_at(self, task_id: str) -> float | None:
        """Return when Redis may give an unacknowledged message back, in epoch seconds.

        Workers look for such messages every 100 s, and give back ten at a time: kombu's defaults.
        """
        delivered: float | None = self.client.zscore("unacked_index", self._tags.get(task_id, b""))
        return None if delivered is None else delivered + self.visibility_timeout

    def opened(self, task_id: str) -> tuple[str, str, Envelope] | None:
        """Find a task's message for whoever opens its card: where it is, its key, and itself."""
        queue = self.tasks[task_id].place
        if queue == "unacked":
            for _, raw in self.client.hscan_iter("unacked", count=PAGE):
                envelope, _, route = json.loads(raw)
                if messages.task_id(envelope) == task_id:
                    came = self.routes.get(route, route)
                    return f"unacknowledged, from the queue {came}", "unacked", envelope
        elif queue:
            place = 0
            for key in self.keys_of(queue):
                following = self.client.lrange(key, -SEARCHED, -1)
                for raw in reversed(following):
                    place += 1
                    if task_id.encode() in raw:  # sooner told than by reading each
                        envelope = json.loads(raw)
                        if messages.task_id(envelope) == task_id:
                            depth = sum(self.client.llen(each) for each in self.keys_of(queue))
                            where = f"queue {queue}, place {place} of {depth}"
                            return where, key, envelope
        return None

    def _note(self, of: str, task_id: str, envelope: Envelope, size: int, queue: str) -> None:
        task, fields = self.tasks[task_id], {}
        if not task.described or self._is_next_try(task_id, envelope):
            task.described, task.retries = True, messages.retries(envelope)
            fields = messages.describe(envelope, size, self.redact)
            if envelope.get("headers", {}).get("celery_beat_task"):
                name = str(fields["task"])
                fields["beat"] = self.beats.entry(name)
                self.beats.seen(task_id, name)
        self.facts.add(of, id=task_id, queue=queue, **fields)

    def keys_of(self, queue: str) -> list[str]:
        """Return the lists a queue consists of, the one that is served first before the others."""
        steps = sorted(self.layout["priority_steps"])
        return [f"{queue}{self.layout['sep']}{step}" if step else queue for step in steps]
