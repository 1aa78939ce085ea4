"""Make it slow: for workers that the workbench has started, and for no others."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psutil
from redis import Redis

from xray.observer import FAIL_FAST, Observer
from xray.redis_queues import RedisQueues
from xray.workers import OWN_QUEUE, Worker

EXCHANGE = "xray"  # so that what kombu notes of our queues is a key of its own
BINDINGS = ("_kombu.binding.xray", "_kombu.binding_permanent.xray")
TAKES_FOR = 1.2  # seconds: the BRPOP that is under way when a worker is paused ends in one


class RefusedError(Exception):
    """What can't be done, and why: a status and a sentence."""

    def __init__(self, status: int, says: str) -> None:
        super().__init__(says)
        self.status, self.says = status, says


class Controls:
    """Stops a worker from taking more, lets one message through, resumes, kills a process.

    A paused worker takes from queues of ours in place of its own. They are empty, and to let one
    through means to have Redis move one message there: in one step, and never into our hands.
    That a worker is paused can so be seen at the worker itself, and undone by whoever comes next.
    """

    def __init__(self, observer: Observer) -> None:
        self.workers = observer.workers
        self.redis: Any = None
        if isinstance(observer.queues, RedisQueues):
            self.queues = observer.queues
            self.redis = Redis.from_url(observer.broker, **FAIL_FAST)
        self.workers.on_change = self.tidy
        observer.on_unwatched = self.close

    def pause(self, name: str) -> None:
        """Have a worker take nothing more. What it has taken already goes on."""
        worker = self._ours(name)
        if worker.paused:
            return
        queues = list(worker.told["queues"])
        worker.paused, worker.quiet_from = queues, time.time() + TAKES_FOR
        for queue in queues:
            if self.redis:
                own = own_queue(queue, name)
                options: dict[str, Any] = {
                    "exchange": EXCHANGE,
                    "exchange_type": "direct",
                    "routing_key": own,
                }
                self.workers.tell("add_consumer", [name], queue=own, **options)
            self.workers.tell("cancel_consumer", [name], queue=queue)
        self._again(worker)

    def one(self, name: str) -> None:
        """Let one message through to a paused worker: the one that is next."""
        worker = self._ours(name)
        if not self.redis:
            raise RefusedError(409, "RabbitMQ gives out no single message: resume it instead.")
        if not worker.told["paused"]:
            raise RefusedError(409, f"{name} isn't paused: it takes messages by itself.")
        for queue in worker.paused:
            for key, ours in self._lists_of(queue, name):
                if self.redis.lmove(key, ours, "RIGHT", "LEFT"):
                    return
        raise RefusedError(409, "No message waits in its queues.")

    def resume(self, name: str) -> None:
        """Have a worker take from its queues again."""
        worker = self._ours(name)
        for queue in worker.paused:
            self.workers.tell("add_consumer", [name], queue=queue)
            if self.redis:
                self.workers.tell("cancel_consumer", [name], queue=own_queue(queue, name))
                self._clear(queue, name)
        worker.paused = []
        self._again(worker)

    def kill(self, name: str, pid: int) -> None:
        """Kill a process of a worker's pool: kill -9. Never the worker's main process."""
        worker = self._ours(name)
        if pid == worker.main or worker.told["pool"] != "prefork":
            raise RefusedError(
                409, f"{name} works in one process: to kill it is to kill the worker."
            )
        try:
            process = psutil.Process(pid)
            if pid not in worker.told["processes"] or process.ppid() != worker.main:
                raise psutil.NoSuchProcess(pid)
            process.kill()
        except psutil.NoSuchProcess:
            raise RefusedError(
                409, f"Process {pid} is none of {name}'s: it may have ended."
            ) from None
        self._again(worker)

    def close(self) -> None:
        """Resume what is paused: nobody else could know why it takes nothing."""
        for worker in self.workers.known.values():
            with suppress(RefusedError):  # it is gone, or not ours
                self.resume(worker.name)
        self.tidy()

    def tidy(self) -> None:
        """Put back what lies in a queue of ours that no worker takes from, as after a kill -9."""
        for worker in self.workers.known.values():
            if self.redis and not worker.paused and worker.told.get("ours"):
                for queue in worker.told["queues"]:
                    self._clear(queue, worker.name)

    def _clear(self, queue: str, name: str) -> None:
        """Put messages back to where they were next, in their order, and forget our queue."""
        own = own_queue(queue, name)
        for key, ours in self._lists_of(queue, name):
            while self.redis.lmove(ours, key, "LEFT", "RIGHT"):
                pass
        for key in BINDINGS:
            self.redis.srem(key, self.queues.layout["sep"].join([own, "", own]))

    def _lists_of(self, queue: str, worker: str) -> Iterable[tuple[str, str]]:
        """Return the lists of a queue, one for each priority, each with ours that stands for it."""
        own = self.queues.keys_of(own_queue(queue, worker))
        return zip(self.queues.keys_of(queue), own, strict=True)

    def _ours(self, name: str) -> Worker:
        worker = self.workers.known.get(name)
        if worker is None or not worker.told.get("alive"):
            raise RefusedError(409, f"There is no worker {name} now.")
        if not worker.told.get("ours"):
            raise RefusedError(403, f"{name} wasn't started by this run: it is left alone.")
        return worker

    def _again(self, worker: Worker) -> None:
        """Have the worker asked how it is now."""
        worker.asked = 0
        self.workers.news.set()


def own_queue(queue: str, worker: str) -> str:
    """Return the name of the queue that a paused worker takes from in place of this one."""
    return f"{queue}{OWN_QUEUE}{worker}"


def descends_from(run: int, pid: int) -> bool:
    """Tell whether a process was started by a run, or by what it has started."""
    try:
        return any(parent.pid == run for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return False
