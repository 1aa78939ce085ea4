"""Puts the looks together, and looks only while somebody watches."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu.utils.url import maybe_sanitize_url
from redis import Redis

from xray import events, messages, outages
from xray.addresses import is_redis
from xray.amqp_queues import AmqpQueues
from xray.beats import Beats
from xray.facts import KEPT, Facts
from xray.inspect_options import UNUSED_KEYS
from xray.lost import Lost
from xray.management import Management
from xray.outages import Outages
from xray.pace import Pace
from xray.redis_queues import RedisQueues
from xray.results import AT_ONCE, OtherResults, RedisResults
from xray.tasks import Tasks
from xray.workers import Workers

FAST, SLOW = 0.05, 0.5  # seconds between looks: while something moves, and while nothing does
NOT_FOR_US = ("disabled", "rpc")  # backends that keep nothing, or for the caller alone
NO_EVENT_FOR = 1.0  # seconds
RUNS_FOR = 0.3  # seconds
GRACE = 3.0  # seconds: who loads the page anew hasn't left
FAIL_FAST = {"socket_connect_timeout": 1, "socket_timeout": 2}


class Observer:
    """What can be seen of one broker, one result backend, and the workers there."""

    def __init__(
        self,
        broker: str,
        backend: str | None,
        *,
        redact: bool = False,
        kept: int = KEPT,
        management: str | None = None,
        is_ours: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        if backend and backend.startswith(NOT_FOR_US):
            backend = None
        self.broker, self.backend, self.redact, self.kept = broker, backend, redact, kept
        self.facts, self.tasks = Facts(kept), Tasks(kept)
        self.app = Celery(broker=broker, backend=backend, set_as_current=False)
        options = FAIL_FAST | UNUSED_KEYS if is_redis(broker) else {}
        self.app.conf.update(
            broker_transport_options=options | {"max_retries": 0},
            broker_connection_timeout=2,
            database_create_tables_at_setup=False,
        )
        self.pace = Pace()
        self.beats = Beats(self.facts, self.tasks)
        common = (self.facts, self.tasks, self.beats)
        self.workers = Workers(self.app, *common, redact, is_ours)
        self.events = events.Events(*common, redact, self.workers.note_event)
        self.results = results_of(backend, self.app, self.facts)
        self.queues: RedisQueues | AmqpQueues
        if is_redis(broker):
            client = Redis.from_url(broker, **FAIL_FAST)
            self.queues = RedisQueues(client, *common, redact)
        else:
            self.queues = AmqpQueues(self.app, self.facts, Management(broker, management))
        self.lost = Lost(self.facts, self.tasks, self.workers, self.queues, self.results)
        self._unseen = self.unseen()
        self._missed: deque[str] = deque()  # tasks that may have ended while nobody looked
        self._watchers = 0
        self._lock = threading.Lock()
        self._watching, self._stopping, self._event_came = (threading.Event() for _ in range(3))
        self.outages = Outages(self.facts, self._stopping)
        self.outages.on_return["broker"] = self.workers.all_may_connect_again
        self.on_unwatched: Callable[[], None] = lambda: None
        self._threads: list[threading.Thread] = []
        self._timer: threading.Timer | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at everything during the block, and a moment longer."""
        with self._lock:
            self._watchers += 1
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    self._timer = threading.Timer(GRACE, self.stop, [True])
                    self._timer.daemon = True
                    self._timer.start()

    def stop(self, only_if_unwatched: bool = False) -> None:
        """Look no more, and leave the workers as they were."""
        with self._lock:
            if not self._threads or (only_if_unwatched and self._watchers):
                return
            self._watching.clear()
            self._stopping.set()
            self._event_came.set()
            self.workers.news.set()
            for thread in self._threads:
                thread.join(2)  # a broker that never answers holds nobody up
            self._threads = []
            with suppress(*outages.ERRORS):
                self.on_unwatched()
            with suppress(*outages.ERRORS):
                self.workers.disable_events()
            self.outages.forget()
            self.facts.add("watch", on=False)

    def _start(self) -> None:
        if self._timer:
            self._timer.cancel()
        if not self._threads:
            self._missed = deque(self.tasks.unfinished())
            self.queues.tell_anew()
            self.lost.forget()
            self._stopping.clear()
            self._watching.set()
            self.facts.add("watch", on=True)
            loops = [self._listen, self._look_at_queues, self._look_at_results, self._ask]
            self._threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
            for thread in self._threads:
                thread.start()

    def _listen(self) -> None:
        while self._watching.is_set():
            with self.outages.noting("broker"):
                self._listen_until_broken()

    def _listen_until_broken(self) -> None:
        counted = self.events.count
        for body in events.listen(self.broker, self.app, self._watching.is_set, self.pace):
            self.outages.is_there("broker")
            if body:
                self.events.take(body)
                self._event_came.set()
            if self.pace.heed(self.events.count) and self.events.count != counted:
                counted = self.events.count
                self.facts.add("count", events=counted, dropped=0)

    def _look_at_queues(self) -> None:
        moved = 0.0
        while self._watching.is_set():
            began, spent = time.time(), time.thread_time()
            with self.outages.noting("broker"):
                options = self.workers.settings.get("broker_transport_options") or {}
                self.queues.know(self.workers.queues, options)
                if self.queues.look():
                    moved = began
            self._stopping.wait(self.pace.between(FAST, time.thread_time() - spent))
            if time.time() - moved > 2:
                self._event_came.wait(SLOW - FAST)
            self._event_came.clear()

    def _look_at_results(self) -> None:
        while self._watching.is_set():
            spent = time.thread_time()
            with self.outages.noting("broker"):
                self.workers.note_the_gone(not self.outages.is_away("broker"))
                self.lost.note_dead_processes()
            with self.outages.noting("backend"):
                self._note_results_without_events()
                self._note_unknown_groups()
                ended = self.events.ended
                ids = [ended.popleft() for _ in range(len(ended))][-AT_ONCE:]
                room = min(AT_ONCE - len(ids), len(self._missed))  # of these, all in their turn
                ids += [self._missed.popleft() for _ in range(room)]
                try:
                    if self.results:
                        self._note_ended(self.results.look(ids))
                except outages.ERRORS:
                    ended.extendleft(reversed(ids))  # for when it is back
                    raise
            self._stopping.wait(self.pace.between(2 * FAST, time.thread_time() - spent))

    def _note_results_without_events(self) -> None:
        """Have results looked at of what left its queue, and of which no event has come.

        A worker that has just started is asked for events when it has begun to work.
        """
        left = self.queues.left
        while self.events.retried:
            task_id = self.events.retried.popleft()
            if self.queues.gives_back:  # else its message is seen
                left.append((time.time(), task_id))
        due = [task_id for at, task_id in left if at < time.time() - NO_EVENT_FOR][:AT_ONCE]
        for task_id in due:
            left.popleft()
            self._note_result_without_event(task_id)

    def _note_result_without_event(self, task_id: str) -> None:
        task = self.tasks[task_id]
        if task.ended or task.worker:
            return
        is_first = not task.is_looked_up and not self.queues.gives_back
        if is_first or (self.results and self.queues.is_end(self.results.state(task_id))):
            task.is_looked_up = True
            self._missed.append(task_id)
        # It may wait still, or not have ended yet: then nothing else tells of it.
        if self.queues.gives_back or task_id in self.tasks.fetched:
            self.queues.left.append((time.time(), task_id))

    def _note_ended(self, states: dict[str, str]) -> None:
        """Note which tasks have ended, by their results."""
        for task_id, state in states.items():
            if self.queues.is_end(state) and not self.tasks[task_id].ended:
                self.tasks.has_ended(task_id)

    def _note_unknown_groups(self) -> None:
        """Have results looked at of what runs for a while, if its message was too fast to be seen.

        Only message and result say to which group a task belongs; an event doesn't.
        """
        now = time.time()
        for task_id, task in list(self.tasks.running.items()):
            is_known = task.described or task.is_looked_up
            if not is_known and task.started < now - RUNS_FOR and not self.pace.rush:
                task.is_looked_up = True
                self._missed.append(task_id)

    def _ask(self) -> None:
        self.workers.all_asked = False
        while self._watching.is_set():
            self.workers.news.clear()
            with self.outages.noting("broker"):
                self.workers.refresh()
                self.lost.look()
            if (unseen := self.unseen()) != self._unseen:
                self._unseen = unseen
                self.facts.add("unseen", says=unseen)
            self.workers.news.wait(0.25)

    def open(self, task_id: str) -> dict[str, Any]:
        """Return a task's message and its result, as they are stored now."""
        found: dict[str, Any] = {"message": None, "result": None}
        with suppress(*outages.ERRORS):
            message = self.queues.opened(task_id)
            if message:
                where, key, envelope = message
                opened = messages.opened(envelope, self.redact)
                found["message"] = {"where": where, "key": key} | opened
        with suppress(*outages.ERRORS):
            if self.results:
                found["result"] = self.results.opened(task_id, self.redact)
        return found

    def unseen(self) -> list[str]:
        """Say what can't be seen here; the page puts 'Not seen:' before each."""
        found = list(self.queues.unseen)
        if not self.backend:
            found.append("results: none are kept, or for their caller alone, or nobody said where.")
        elif not is_redis(self.backend):
            found.append("how large a result is, and how long it is kept: only Redis tells.")
        options = self.workers.settings.get("result_backend_transport_options") or {}
        if options.get("global_keyprefix"):
            found.append("results: the app gives their keys a prefix of its own.")
        return found

    def setup(self) -> dict[str, Any]:
        """Return what the page has to know."""
        return {
            "broker": shown(self.broker),
            "backend": shown(self.backend) if self.backend else None,
            "transport": urlsplit(self.broker).scheme,
            "redact": self.redact,
            "unseen": self.unseen(),
            "facts": None,
            "kept": self.kept,
        }


def shown(url: str) -> str:
    """Return an address without its password, and without options, which may hold one."""
    return str(maybe_sanitize_url(url.partition("?")[0], mask="***"))


def results_of(
    backend: str | None, app: Celery, facts: Facts
) -> RedisResults | OtherResults | None:
    """Choose how to look at results."""
    if is_redis(backend):
        return RedisResults(Redis.from_url(str(backend), **FAIL_FAST), facts)
    return OtherResults(app, facts) if backend else None
