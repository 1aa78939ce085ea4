"""The doctor looks at messages: which wait in queues, and which were delivered and not done."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from amqp.exceptions import ChannelError
from celery import Celery
from kombu.transport.redis import Channel

from workbench.doctor.findings import PROBE, AppSettings
from xray.addresses import is_redis

LOOKED_AT = 10_000  # messages of one queue, and results
PAGE = 1_000
NOT_QUEUES = ("celeryev", "reply.celery.pidbox", "celery.pidbox")  # events, commands, answers


@dataclass(frozen=True)
class Messages:
    """Where tasks' messages are, by the tasks' ids."""

    before: dict[str, int] = field(default_factory=dict)  # how many messages come before it
    fetched: dict[str, float] = field(default_factory=dict)  # when a worker did, which isn't done
    unread: int = 0  # how many wait that can't be read: only Redis' can


def messages(settings: AppSettings, app: Celery) -> Messages:
    """Look at all messages of the app, by reading only."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        if not is_redis(settings.broker):
            return Messages(unread=depth(channel, settings.queue))
        return Messages(waiting(channel, settings.queue), fetched(channel.client))


def depth(channel: Any, queue: str) -> int:
    """Return how many messages wait in a queue; none, if there is no such queue yet."""
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        return 0


def waiting(channel: Channel, queue: str) -> dict[str, int]:
    """Return how many messages come before each task's in its queue of Redis."""
    found = {}
    for name in queues(channel) | {queue}:
        for place, raw in enumerate(in_order(channel, name)):
            found[task_id(json.loads(raw))] = place
    return found


def queues(channel: Channel) -> set[str]:
    """Return the queues that kombu has noted in Redis."""
    client: Any = channel.client
    found = set()
    for key in client.scan_iter("_kombu.binding.*", count=PAGE):
        if key.decode().removeprefix("_kombu.binding.") not in NOT_QUEUES:
            found |= {member.decode().split(channel.sep)[-1] for member in client.smembers(key)}
    return found


def in_order(channel: Channel, queue: str) -> Iterator[bytes]:
    """Return the messages of a queue, the next one first; only so many of them."""
    client: Any = channel.client
    for step in sorted(channel.priority_steps):
        key = f"{queue}{channel.sep}{step}" if step else queue  # as kombu names them
        for at in range(0, LOOKED_AT, PAGE):
            page = client.lrange(key, -at - PAGE, -at - 1)
            yield from reversed(page)
            if len(page) < PAGE:
                break


def fetched(client: Any) -> dict[str, float]:
    """Return when each task's message was fetched that no worker has acknowledged."""
    when = dict(client.zrange("unacked_index", 0, -1, withscores=True))
    found = {}
    for tag, raw in client.hscan_iter("unacked", count=PAGE):
        message, _exchange, _routing_key = json.loads(raw)
        if message.get("headers", {}).get("task") != PROBE:  # one that the doctor itself has sent
            found[task_id(message)] = when.get(tag, time.time())
    return found


def task_id(message: dict[str, Any]) -> str:
    """Return the id of the task that a message asks for; nothing if it asks for none."""
    return str(message.get("headers", {}).get("id", ""))


def back_by(settings: AppSettings, fetched_at: float) -> float:
    """Return when a message of a worker that is gone is back in its queue, at the latest.

    Workers look for such messages from time to time: once in so many of their rounds.
    """
    hidden_for = settings.transport.get("visibility_timeout", Channel.visibility_timeout)
    rounds = getattr(Channel, "unacked_restore_throttle", 10)  # not in older ones of kombu
    every = getattr(Channel, "unacked_restore_interval", 10)
    return float(fetched_at + hidden_for + rounds * every)
