"""Recordings of facts, made by hand, and a page of the X-ray that shows them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2
from waitress import create_server, wasyncore

from workbench.probes import free_port
from xray import server
from xray.facts import Facts

PAGE = Path(server.__file__).with_name("page")
WORKER = "celery@lab"
START = 1_800_000_000.0
SETUP: dict[str, Any] = {
    "broker": "redis://127.0.0.1:6379/0",
    "backend": "redis://127.0.0.1:6379/1",
    "transport": "redis",
    "controls": False,
    "redact": False,
    "unseen": [],
    "facts": None,
    "kept": 20000,
}


class Recording:
    """Facts in the order they were learned, ten a second unless their time is given."""

    def __init__(self) -> None:
        self.facts: list[dict[str, Any]] = []
        self.at = START

    def add(self, of: str, *, at: float | None = None, **fields: Any) -> None:
        """Note a fact."""
        self.at = self.at + 0.1 if at is None else max(at, self.at)
        now = self.at if at is None else at
        self.facts.append({"n": len(self.facts) + 1, "at": now, "of": of} | fields)

    def worker(self, **fields: Any) -> None:
        """Note what a worker is: prefork, with two processes."""
        pool = {"alive": True, "pool": "prefork", "slots": 2, "processes": [11, 12], "pid": 10}
        lab = {"queues": ["lab"], "tasks": ["tasks.develop"], "prefetch": 8, "ours": False}
        said: dict[str, Any] = {"worker": WORKER, "paused": False} | pool | lab | fields
        self.add("worker", **said)

    def event(self, kind: str, task: str, /, **fields: Any) -> None:
        """Note an event of a worker."""
        self.add("event", type=kind, id=task, worker=WORKER, **fields)

    def waiting(self, task: str, name: str = "tasks.develop", **fields: Any) -> None:
        """Note that a message was seen in the queue."""
        about: dict[str, Any] = {"id": task, "queue": "lab", "task": name, "root": task}
        about |= {"args": "'a photo'", "retries": 0, "bytes": 900, "origin": "gen1@lab"}
        self.add("waiting", **(about | fields))

    def queue(self, *ids: str, depth: int | None = None) -> None:
        """Note what lies in the queue, the next one first."""
        many = len(ids) if depth is None else depth
        self.add("queue", queue="lab", depth=many, next=list(ids), held=0)

    def receives(self, task: str, name: str = "tasks.develop", **fields: Any) -> None:
        """Note that a worker has received a message."""
        self.event("received", task, **({"task": name, "args": "'a photo'", "retries": 0} | fields))

    def starts(self, task: str, name: str = "tasks.develop", pid: int = 11) -> None:
        """Note that a worker has received a message, and runs its task on a process."""
        self.receives(task, name)
        self.event("started", task)
        self.add("process", id=task, worker=WORKER, pid=pid, since=self.at)

    def does(self, task: str, name: str = "tasks.develop") -> None:
        """Note that a worker has run a task to its end."""
        self.starts(task, name)
        self.event("succeeded", task, runtime=0.2, result="None")
        self.add("result", id=task, state="SUCCESS", bytes=120, ttl=86400.0)

    def save(self, path: Path, **setup: Any) -> str:
        """Write the page of a saved run, and return its address."""
        html = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGE), autoescape=True)
        run = SETUP | {"facts": self.facts, "saved": self.at} | setup
        page = html.get_template("index.html.j2").render(setup=run, nonce="")
        path.write_text(page, encoding="utf-8")
        return path.as_uri()


def every_state() -> Recording:
    """Return a recording in whose end there is one task in each state, named after it."""
    run = Recording()
    run.add("watch", on=True)
    run.worker()
    run.does("done")
    run.starts("failed")
    run.event("failed", "failed", error="ValueError('torn')")
    run.receives("revoked")
    run.event("revoked", "revoked")
    run.receives("expired", expires="2027-01-15T08:00:00+00:00")
    run.event("revoked", "expired", expired=True)
    run.starts("lost", pid=99)
    run.add("lost", id="lost", why="its process 99 is gone, and its message is nowhere")
    run.receives("left-behind")
    why = "celery@gone (process 9) had fetched it, and is gone."
    run.add("left_behind", id="left-behind", queue="lab", why=why, back=run.at + 3600)
    run.starts("retrying", "tasks.deliver")
    run.event("received", "retrying", task="tasks.deliver", retries=1, eta=run.at + 60)
    run.event("retried", "retrying", at=run.at - 0.02, error="BusyError('later')")
    run.receives("scheduled", "tasks.publish", eta=run.at + 90)
    run.starts("running", pid=12)
    run.receives("held")
    run.waiting("waiting")
    run.queue("waiting")
    run.event("sent", "sent", task="tasks.develop", args="'a photo'")
    return run


class Recorded:
    """Stands where the observer stands, and tells what was recorded.

    Tell it something before a page is opened: an observer, too, has then said that it looks.
    """

    def __init__(self, **setup: Any) -> None:
        self.facts = Facts()
        self._setup = SETUP | setup
        self.answers: dict[str, Any] = {"message": None, "result": None}

    def setup(self) -> dict[str, Any]:
        """Return what the page has to know."""
        return self._setup

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at nothing: all is told."""
        yield

    def open(self, task_id: str) -> dict[str, Any]:
        """Return a task's message and result."""
        return self.answers

    def tell(self, run: Recording) -> None:
        """Tell the facts of a recording that weren't told yet."""
        for fact in run.facts[self.facts.last :]:
            fields = {name: value for name, value in fact.items() if name not in ("n", "of", "at")}
            self.facts.add(fact["of"], fact["at"], **fields)


@contextmanager
def served(recorded: Recorded, controls: Any = None) -> Iterator[str]:
    """Serve the X-ray's page live, and return its address."""
    port = free_port()
    app = server.create_app(recorded, port, controls)  # type: ignore[arg-type]  # it stands in
    sockets: dict[int, Any] = {}
    waiting = create_server(
        app,
        map=sockets,
        host="127.0.0.1",
        port=port,
        threads=4,
        channel_request_lookahead=1,  # so that it is noticed when a listener leaves
    )
    thread = threading.Thread(target=waiting.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        waiting.task_dispatcher.shutdown()  # who listened has left, and so its thread ends
        waiting.trigger.pull_trigger(lambda: wasyncore.close_all(sockets))  # where they are used
        thread.join(5)
