"""The random steps: what people, and accidents, do to a broker, to workers and to tasks."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import httpx
import psutil
from celery import chord, signature

from tests.xray.truth.run import Run
from workbench.service import Service

ENOUGH = 14  # tasks that are under way: then the next steps end some
LONGEST = 12  # seconds until a task that is sent for later begins
Do = Callable[[], str]


class Steps:
    """Chooses what to do next, does it, and says what that was."""

    def __init__(self, run: Run, random: Random) -> None:
        self.run, self.random = run, random
        self.number = 0

    def take(self) -> str:
        """Take one step."""
        self.number += 1
        possible = self.possible()
        names, weights = zip(*possible.items(), strict=True)
        (name,) = self.random.choices(names, weights)
        do: Do = getattr(self, name)
        return f"{name} {do()}".strip()

    def possible(self) -> dict[str, int]:
        """Return what can be done now, with how often it is to be done."""
        run = self.run
        steps = {"kill_process": 3, "kill_worker": 3} if run.alive else {}
        if len(run.alive) < len(run.workers):
            steps["start_worker"] = 10
        if run.locks:
            steps["release"] = 30 if len(run.locks) > ENOUGH else 10
        if not run.broker_is_up:
            return (steps if self.number % 5 else {}) | {"start_broker": 10}
        steps |= {"send": 14, "send_work": 14, "retry": 6, "expire": 5, "eta": 7, "chord": 6}
        steps |= {"revoke": 8, "pause": 4, "resume": 6}
        return steps | {"stop_broker": 1 if run.management else 2}

    # --- tasks

    def send(self) -> str:
        names = self.random.choices(
            ["quick", "quick", "quick", "fail"], k=self.random.randint(1, 3)
        )
        return " ".join(self._send(name) for name in names)

    def send_work(self) -> str:
        return " ".join(self._send("work", self._lock()) for _ in range(self.random.randint(1, 3)))

    def retry(self) -> str:
        return self._send("again", self.random.choice([0.5, 3, 8]))

    def expire(self) -> str:
        expires = self.random.choice([0.5, 4])
        return self._send("work", self._lock(), expires=expires) + f" in {expires} s"

    def eta(self) -> str:
        countdown = self.random.uniform(1, LONGEST)
        return self._send("quick", countdown=countdown) + f" in {countdown:.1f} s"

    def chord(self) -> str:
        app = self.run.app
        parts: list[Any] = [
            signature(name, [self._lock()] if name == "work" else [], app=app)
            for name in self.random.choices(["quick", "work"], k=3)
        ]
        result: Any = chord(parts, app=app)(signature("quick", app=app))
        ids, last = [str(part.id) for part in result.parent.results], str(result.id)
        self.run.sent += ids
        self.run.chords[last] = ids
        self.run.sizes[last] = f"celery-taskset-meta-{result.parent.id}.s"
        return " ".join(each[:8] for each in [*ids, last])

    def revoke(self) -> str:
        task = self.random.choice(self.run.sent[-12:])
        terminate = self.random.random() < 0.3
        self.run.app.control.revoke(task, terminate=terminate)
        return task[:8] + (", terminate" if terminate else "")

    def release(self) -> str:
        names = list(self.run.locks)[:3]  # the oldest: none is to be reserved for long
        for name in names:
            self.run.release(name)
        return " ".join(names)

    def _lock(self) -> str:
        name = f"lock-{self.number}-{len(list(self.run.folder.glob('lock-*')))}"
        self.run.lock(name)
        return name

    def _send(self, name: str, *args: object, **options: Any) -> str:
        task = self.run.app.send_task(name, args, **options).id
        self.run.sent.append(task)
        return f"{name} {task[:8]}"

    # --- workers

    def pause(self) -> str:
        return self._control("pause")

    def resume(self) -> str:
        return self._control("resume")

    def _control(self, what: str) -> str:
        """Press a button of the X-ray."""
        name = self.random.choice(sorted(self.run.workers))
        wish = {"do": what, "worker": name}
        answer = httpx.post(f"{self.run.xray}/controls", json=wish, timeout=20, trust_env=False)
        return f"{name}: {answer.status_code}"  # refused, if it is gone

    def kill_process(self) -> str:
        name = self.random.choice(sorted(self.run.alive))
        pids = pool_of(self.run.workers[name])
        if not pids:
            return "none: they are being replaced"
        pid = self.random.choice(pids)
        os.kill(pid, signal.SIGKILL)
        return f"{pid} of {name}"

    def kill_worker(self) -> str:
        name = self.random.choice(sorted(self.run.alive))
        self.run.kill(name)
        return name

    def start_worker(self) -> str:
        name = self.random.choice(sorted(self.run.workers.keys() - self.run.alive))
        self.run.workers[name].launch()
        if self.run.broker_is_up:
            self.run.workers[name].wait()
        self.run.alive.add(name)
        return name

    # --- the broker

    def stop_broker(self) -> str:
        self.run.broker.halt()
        self.run.broker_is_up = False
        return ""

    def start_broker(self) -> str:
        self.run.broker.launch()
        self.run.broker.wait()
        self.run.broker_is_up = True
        return ""


def pool_of(worker: Service) -> list[int]:
    """Return the processes of a worker's pool: the children of its main process."""
    pids = []
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(worker.pid)
        if "python" not in main.name():  # a shell, that has started it
            (main,) = main.children()
        alive = [child for child in main.children() if child.status() != psutil.STATUS_ZOMBIE]
        pids = sorted(child.pid for child in alive)
    return pids
