"""The workers: who is there, what each takes and knows, and whether it tells of its tasks."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
from celery import Celery

from xray.beats import Beats
from xray.enabled_events import EnabledEvents
from xray.facts import Facts
from xray.messages import shown
from xray.tasks import Tasks

ANSWERS_WITHIN, AT_ONCE = 1.0, 0.2  # seconds
AGAIN_AFTER = 5  # seconds: what may have changed is asked for that often
SILENT_AFTER = 7  # seconds; a heartbeat comes every two
OWN_QUEUE = ".xray."  # in the name of a queue through which a paused worker is given messages


@dataclass
class Worker:
    """A worker, as it has described itself."""

    name: str
    main: int | None = None  # its main process
    last_seen: float = 0  # when it last gave a sign of life
    asked: float = 0
    connected: float = 0  # when it last came, or came back: what it had fetched before, it let go
    ended: float = 0  # when it was last seen to be gone; another of its name may be there
    known_from: float = 0  # when it was last asked what it has
    told: dict[str, Any] = field(default_factory=dict)  # the last fact about it
    enabled_by_us: bool = False
    paused: list[str] = field(default_factory=list)  # where it takes nothing, if it was paused
    quiet_from: float = 0  # when nothing more comes from there: a BRPOP may be under way


class Workers:
    """Asks workers, in a thread of its own, so that a slow answer holds nothing up."""

    def __init__(
        self,
        app: Celery,
        facts: Facts,
        tasks: Tasks,
        beats: Beats,
        redact: bool,
        is_ours: Callable[[int], bool],
    ) -> None:
        self.app, self.facts, self.tasks, self.beats = app, facts, tasks, beats
        self.redact, self.is_ours = redact, is_ours
        self.known: dict[str, Worker] = {}
        self.settings: dict[str, Any] = {}
        self.queues: dict[str, str] = {}  # queue: routing key, for each one taken from
        self.news = threading.Event()
        self.all_asked = False
        self.on_change: Callable[[], None] = lambda: None  # somebody came, or is gone
        self._notes = EnabledEvents(str(app.conf.broker_url))
        self._left_on = self._notes.left_by_the_killed()

    def note_event(self, event: dict[str, Any]) -> None:
        """Note a worker's sign of life."""
        worker = self.known.setdefault(event["hostname"], Worker(event["hostname"]))
        worker.last_seen = time.time()
        if worker.main not in (None, event.get("pid")):  # another one, and not as we left the first
            worker.main, worker.enabled_by_us, worker.ended = None, False, time.time()
        if event["type"] == "worker-online":
            self._connects(worker)
        if event["type"] == "worker-offline":
            worker.last_seen = 0
            self.news.set()
        elif (
            worker.main != event.get("pid")
            or not worker.told.get("alive")
            or worker.told.get("silent")
        ):
            worker.asked = 0
            self.news.set()

    def all_may_connect_again(self) -> None:
        """Note that workers may have lost their connection while the broker was away."""
        for worker in list(self.known.values()):
            self._connects(worker)

    def _connects(self, worker: Worker) -> None:
        """Have a worker asked anew: what it has, and to tell of its tasks, which it forgets."""
        worker.connected, worker.asked = time.time(), 0
        if worker.told.get("alive"):
            worker.last_seen = worker.connected  # its silence begins now, if it is silent
        self.news.set()

    def has_connected_since(self, name: str, when: float) -> bool:
        """Tell whether a worker has come back, and so may have let go what it had fetched then."""
        return name in self.known and self.known[name].connected > when

    def refresh(self) -> None:
        """Ask those of whom something may be new, and note what is."""
        if not self.all_asked:  # it sends events at once, but who answers, only after a while
            for name in self._enable_events(None):
                self.known[name].last_seen = time.time()
            self.all_asked = True
        now = time.time()
        due = [
            worker.name
            for worker in self.known.values()
            if self._may_be_there(worker)  # to ask one in vain takes a while
            and (worker.asked < now - AGAIN_AFTER or worker.asked < worker.quiet_from < now)
            and worker.last_seen > now - SILENT_AFTER
        ]
        # First of all to tell of its tasks: it may have begun with some. One that has just come
        # isn't listening yet when it is first seen; then it is asked again soon.
        if fresh := [name for name in due if not self.known[name].asked]:
            told = self._enable_events(fresh, AT_ONCE)
            due = [name for name in due if name in told or name not in fresh]
        if due:
            self._describe(due, now)
        self._ask_who_works()

    def note_the_gone(self, broker_is_there: bool = True) -> None:
        """Note which workers give no sign of life any more. Without a broker, none can give one."""
        for worker in list(self.known.values()):
            if not worker.told.get("alive") or self._gives_signs(worker):
                continue
            if not broker_is_there and self._may_be_there(worker):
                continue
            if self._is_there(worker) or self._may_be_at_work(worker):
                self._tell(worker, worker.told | {"silent": True})
            else:
                worker.ended = time.time()
                if not self._may_be_there(worker):  # else only its connection may be gone
                    worker.paused = []
                self._tell(worker, worker.told | {"alive": False, "processes": [], "paused": False})
                self.on_change()

    def gone(self, name: str, main: int | None = None) -> bool:
        """Tell whether a worker, with this main process if one is given, is there no more."""
        worker = self.known.get(name)
        return not worker or not worker.told.get("alive") or main not in (None, worker.main)

    def gone_since(self, when: float) -> list[str]:
        """Return the workers that were seen to be gone since then, though others may have come."""
        return sorted(name for name, worker in self.known.items() if worker.ended > when)

    def processes(self, name: str) -> list[int]:
        """Return the processes that a worker's tasks run on."""
        told = self.known[name].told
        return [*told.get("processes", []), told.get("pid", 0)]

    def has_died(self, name: str, pid: int) -> bool:
        """Tell whether a process of a worker is gone, as far as that can be known at once."""
        worker = self.known.get(name)
        if not worker or not worker.told.get("ours"):
            return False  # it may be on another machine
        return is_gone(pid)

    def holding(self) -> set[str] | None:
        """Return the ids of all tasks that workers have; None if one doesn't answer."""
        names = [name for name, worker in self.known.items() if worker.told.get("alive")]
        found: set[str] = set()
        for what in ("active", "reserved", "scheduled") if names else ():
            answers = self._ask(what, names)
            if answers.keys() != set(names):
                return None
            for held in answers.values():
                found |= {one.get("request", one)["id"] for one in held}
        return found

    def _describe(self, names: list[str], now: float) -> None:
        stats = self._ask("stats", names)
        queues = self._ask("active_queues", names)
        self._note_revoked(self._ask("revoked", names))
        new = [name for name in stats if self.known[name].main != stats[name]["pid"]]
        tasks, settings = (
            (self._ask("registered", new), self._ask("conf", new)) if new else ({}, {})
        )
        for name in names:
            self.known[name].asked = now
        for name, found in stats.items():
            worker = self.known[name]
            worker.last_seen = time.time()
            if name in new:
                if worker.main:  # another one of that name, which isn't as we have left the first
                    worker.enabled_by_us, worker.ended = False, time.time()
                worker.main, worker.paused, worker.known_from = found["pid"], [], 0
                self._enable_events([name])
                # An X-ray that was killed couldn't switch them off: it is for us to do.
                worker.enabled_by_us |= self._left_on.get(name) == worker.main
                self._read_settings(settings.get(name) or {})
            taken = {queue["name"]: queue["routing_key"] for queue in queues.get(name) or []}
            self.queues |= {queue: key for queue, key in taken.items() if OWN_QUEUE not in queue}
            # Whoever paused it: by these names it can be seen, and undone.
            own = [queue.partition(OWN_QUEUE)[0] for queue in taken if OWN_QUEUE in queue]
            is_told = now < worker.quiet_from + AGAIN_AFTER  # just now: it may not heed it yet
            worker.paused = own or (worker.paused if is_told or not taken else [])
            known = tasks.get(name)
            pool = found["pool"]
            fact = {
                "alive": True,
                "pid": worker.main,
                "pool": pool["implementation"].partition(":")[0].rpartition(".")[2],
                "slots": pool["max-concurrency"],
                "processes": list(pool.get("processes") or []),
                "queues": sorted(worker.paused or taken),
                "tasks": worker.told.get("tasks", []) if known is None else names_of(known),
                "prefetch": found["prefetch_count"],
                "ours": self.is_ours(found["pid"]),
                "paused": bool(worker.paused) and time.time() > worker.quiet_from,
            }
            self._tell(worker, fact)
        self._note_what_they_have(
            [name for name in stats if self.known[name].known_from <= self.known[name].connected]
        )
        if new:
            self._note_enabled()
            self.on_change()

    def _note_enabled(self) -> None:
        """Write down whose events we have switched on, in case that we are killed."""
        known = self.known.values()
        self._notes.write(
            {each.name: each.main for each in known if each.main and each.enabled_by_us}
        )

    def _note_revoked(self, answers: dict[str, list[str]]) -> None:
        """Note which tasks workers know to be revoked: nothing else tells before they drop them."""
        for task_id in {task_id for ids in answers.values() for task_id in ids or []}:
            task = self.tasks.get(task_id)
            if task and not task.ended and not task.is_revoked:
                task.is_revoked = True
                self.facts.add("revoked", id=task_id)

    def _tell(self, worker: Worker, fact: dict[str, Any]) -> None:
        if fact != worker.told:
            worker.told = fact
            self.facts.add("worker", worker=worker.name, **fact)

    def _gives_signs(self, worker: Worker) -> bool:
        return self._may_be_there(worker) and worker.last_seen > time.time() - SILENT_AFTER

    def _may_be_at_work(self, worker: Worker) -> bool:
        """Tell whether it may be silent since the process that would answer runs a task."""
        said_goodbye = not worker.last_seen
        alone = worker.told.get("pool") == "solo"
        return alone and not said_goodbye and self._may_be_there(worker)

    def _is_there(self, worker: Worker) -> bool:
        """Tell whether it is known to be only silent: its process is there.

        It says goodbye as well when it has lost its connection, and while it ends its tasks.
        """
        return bool(worker.told.get("ours")) and self._may_be_there(worker)

    def _may_be_there(self, worker: Worker) -> bool:
        is_ours = worker.told.get("ours") and worker.main
        return not (is_ours and is_gone(worker.main or 0))

    def _read_settings(self, settings: dict[str, Any]) -> None:
        self.settings |= settings
        self.beats.read(settings.get("beat_schedule") or {})

    def _ask_who_works(self) -> None:
        """Ask which process works on what has run for a while: events don't say."""
        now = time.time()
        wanted = {
            str(task.worker)
            for task in list(self.tasks.running.values())
            if task.pid is None and task.started < now - 0.15
        }
        self._note_who_works([name for name in wanted if not self.gone(name)])

    def _note_who_works(self, names: list[str]) -> None:
        for name, found in (self._ask("active", names, safe=True) if names else {}).items():
            for request in found:
                task, pid = self.tasks[request["id"]], request["worker_pid"]
                if not pid or task.pid or (task.ended and not task.is_lost):
                    continue
                if task.worker not in (None, name) and not self.gone(str(task.worker), task.main):
                    continue  # another one has received the next try meanwhile
                task.ended = task.is_lost = False
                before = {}
                if request["id"] not in self.tasks.running:  # it began before anybody looked
                    begun = request["time_start"] or time.time()
                    self.tasks.has_started(request["id"], name, self.known[name].main, begun)
                    args = shown(request, self.redact, "args kwargs")
                    before = {"task": request["name"], "args": args}
                task.pid = pid
                if pid not in self.processes(name):  # a new one, in another's place
                    self.known[name].asked = 0
                self.facts.add(
                    "process",
                    id=request["id"],
                    worker=name,
                    pid=pid,
                    since=request["time_start"],
                    **before,
                )

    def _note_what_they_have(self, names: list[str]) -> None:
        """Note what workers have taken: before they were asked to, they told nothing of it."""
        if not names:
            return
        now = time.time()
        self._note_who_works(names)
        for what in ("reserved", "scheduled"):
            for name, found in self._ask(what, names).items():
                for one in found:
                    self._note_holder(name, one.get("request", one), one.get("eta"))
        for name in names:
            self.known[name].known_from = now

    def _note_holder(self, name: str, request: dict[str, Any], eta: str | None) -> None:
        """Note that a worker has fetched a task, if that isn't known yet."""
        task_id = request["id"]
        task = self.tasks[task_id]
        is_known = task.worker == name and task_id in self.tasks.fetched
        self.tasks.is_fetched(task_id, name, self.known[name].main)
        if not is_known and task_id in self.tasks.fetched:
            args = shown(request, self.redact, "args kwargs")
            about = {"task": request["name"], "args": args, "eta": eta}
            self.facts.add("held", id=task_id, worker=name, **about)

    def _enable_events(self, names: list[str] | None, within: float = ANSWERS_WITHIN) -> list[str]:
        """Have workers, or all, tell of their tasks; return who has answered."""
        said = self.tell("enable_events", names, within)
        for name, answer in said.items():
            worker = self.known.setdefault(name, Worker(name))
            worker.enabled_by_us |= answer.get("ok") == "task events enabled"
        return list(said)

    def disable_events(self) -> None:
        """Have those workers fall silent that weren't telling before we asked them to."""
        names = [worker.name for worker in self.known.values() if worker.enabled_by_us]
        if names:
            self.tell("disable_events", names)
        self._notes.write({})
        for worker in self.known.values():
            # Whoever watches next asks each of them again.
            worker.enabled_by_us, worker.main, worker.asked = False, None, 0
        for task in list(self.tasks.running.values()):
            task.pid = None  # and whether it still runs there

    def tell(
        self, command: str, names: list[str] | None, within: float = 0, **arguments: Any
    ) -> dict[str, Any]:
        """Have workers carry out a command; return what each says within so many seconds."""
        control: Any = self.app.control
        said = control.broadcast(
            command,
            arguments=arguments,
            destination=names,
            reply=bool(within),
            timeout=within,
            limit=len(names) if names else None,
        )
        return {name: answer for one in said or [] for name, answer in one.items()}

    def _ask(self, what: str, names: list[str] | None, **arguments: Any) -> dict[str, Any]:
        inspect: Any = self.app.control.inspect(
            destination=names, timeout=ANSWERS_WITHIN, limit=len(names) if names else None
        )
        with suppress(TimeoutError):
            return getattr(inspect, what)(**arguments) or {}
        return {}


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, even if nobody has asked for its exit status yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def names_of(registered: list[str]) -> list[str]:
    """Return the tasks' names alone, of what a worker says of them."""
    return [text.partition(" [")[0] for text in registered]
