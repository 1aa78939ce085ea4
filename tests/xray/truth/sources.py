"""The truth: what the broker, the workers and the results say, asked without the X-ray."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from celery import Celery
from redis import Redis

ENDS = {"SUCCESS": "done", "FAILURE": "failed", "REVOKED": "revoked"}
QUEUE = "celery"
PRIORITY = "\x06\x16"  # what kombu puts between a queue's name and a priority


@dataclass(frozen=True)
class Messages:
    """What a broker holds. RabbitMQ tells numbers only, and then no ids are here."""

    depth: dict[str, int]
    unacknowledged: int
    waiting: frozenset[str] | None = None
    unacked: frozenset[str] | None = None
    to_be_retried: frozenset[str] = frozenset()  # of those that wait, the ones with a later time


@dataclass(frozen=True)
class Workers:
    """What the living workers say of their tasks."""

    active: dict[str, tuple[str, int]] = field(default_factory=dict)  # worker and process
    reserved: dict[str, str] = field(default_factory=dict)  # worker
    scheduled: dict[str, str] = field(default_factory=dict)
    revoked: dict[str, frozenset[str]] = field(default_factory=dict)  # by worker
    paused: frozenset[str] = frozenset()  # workers that don't take from the queue
    processes: dict[str, list[int]] = field(default_factory=dict)  # by worker

    def holders(self, task: str) -> set[str]:
        """Return the workers that have a task."""
        found = {holders[task] for holders in (self.reserved, self.scheduled) if task in holders}
        return found | ({self.active[task][0]} if task in self.active else set())


@dataclass(frozen=True)
class Truth:
    """What is so."""

    messages: Messages
    workers: Workers
    results: dict[str, str]  # how tasks have ended
    tried: set[str]  # tasks that gave up for now, and are tried again


class Broker(Protocol):
    """A broker that can be asked what it holds."""

    def messages(self) -> Messages:
        """Return what it holds."""


class RedisBroker:
    """Reads the queues, and what is delivered and not acknowledged."""

    def __init__(self, url: str) -> None:
        self.client: Any = Redis.from_url(url)

    def messages(self) -> Messages:
        """Return the ids in each place."""
        depth: dict[str, int] = {}
        waiting: list[dict[str, Any]] = []
        for key in self.client.scan_iter(_type="list"):
            found = [json.loads(raw) for raw in self.client.lrange(key, 0, -1)]
            queue = key.decode().partition(PRIORITY)[0]
            if any(map(task_id, found)):  # else it holds workers' answers, or commands
                depth[queue] = depth.get(queue, 0) + len(found)
                waiting += found
        held = [json.loads(raw)[0] for raw in self.client.hvals("unacked")]
        return Messages(
            depth,
            len(held),
            frozenset(map(task_id, waiting)),
            frozenset(map(task_id, held)),
            frozenset(task_id(each) for each in waiting if each["headers"]["retries"]),
        )


def task_id(message: dict[str, Any]) -> str:
    """Return the id of the task that a message asks for; nothing if it is no task's."""
    headers = message.get("headers") or {}
    return str(headers["id"]) if "task" in headers else ""


class RabbitBroker:
    """Asks the management interface, which tells numbers."""

    def __init__(self, management: str) -> None:
        totals = "disable_stats=true&enable_queue_totals=true"
        self.url = f"{management}/api/queues/%2F?{totals}"

    def messages(self) -> Messages:
        """Return the number of messages in each place."""
        answer = httpx.get(self.url, auth=("guest", "guest"), trust_env=False).raise_for_status()
        queues = [queue for queue in answer.json() if queue["name"] == QUEUE]
        return Messages(
            {queue["name"]: queue["messages_ready"] for queue in queues},
            sum(queue["messages_unacknowledged"] for queue in queues),
        )


class SilentError(Exception):
    """Workers that live don't answer."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(f"{', '.join(sorted(names))}: no answer")
        self.names = names


def ask_workers(app: Celery, names: list[str]) -> Workers:
    """Ask the workers of these names; each has to answer."""
    if not names:
        return Workers()
    questions = ("active", "reserved", "scheduled", "revoked", "active_queues", "stats")
    active, reserved, scheduled, revoked, queues, stats = (
        ask(app, names, what) for what in questions
    )
    later = {name: [one["request"] for one in each] for name, each in scheduled.items()}
    return Workers(
        {one["id"]: (name, one["worker_pid"]) for name, each in active.items() for one in each},
        {one["id"]: name for name, each in reserved.items() for one in each},
        {one["id"]: name for name, each in later.items() for one in each},
        {name: frozenset(ids) for name, ids in revoked.items()},
        frozenset(
            name for name, each in queues.items() if QUEUE not in [queue["name"] for queue in each]
        ),
        {name: sorted(each["pool"]["processes"]) for name, each in stats.items()},
    )


def ask(app: Celery, names: list[str], what: str) -> dict[str, Any]:
    """Ask one question."""
    inspect: Any = app.control.inspect(destination=names, timeout=2, limit=len(names))
    said = getattr(inspect, what)() or {}
    if said.keys() != set(names):
        raise SilentError(set(names) - said.keys())
    return dict(said)


def read_results(client: Any, ids: list[str]) -> tuple[dict[str, str], set[str]]:
    """Return how those tasks have ended that have, and which ones are to be tried again."""
    stored = client.mget([f"celery-task-meta-{each}" for each in ids]) if ids else []
    found = {each: json.loads(raw) for each, raw in zip(ids, stored, strict=True) if raw}
    ended = {each: end(meta) for each, meta in found.items() if meta["status"] in ENDS}
    return ended, {each for each, meta in found.items() if meta["status"] == "RETRY"}


def end(meta: dict[str, Any]) -> str:
    """Return how a task has ended, as the X-ray calls it."""
    state = ENDS[meta["status"]]
    return "expired" if state == "revoked" and "expired" in str(meta["result"]) else state
