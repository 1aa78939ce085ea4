"""The X-ray and Flower, side by side: what each costs, how much it keeps, how old its picture is.

Both watch the same worker, of two processes, or of two threads where many tasks are run, on a
private Redis. Rounds are interleaved, and their order is turned, so that whatever else the machine
does concerns all of them. Flower runs in an environment of its own, with the same Celery; it is
installed when it is missing.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx
from playwright.sync_api import Page

from tests.support.browser import chromium, page
from tests.support.deployment import ROOT, Deployment, read_lines
from tests.support.waiting import wait_until
from workbench.probes import answers_http, free_port
from workbench.service import Service

FLOWER = "2.2.0"
ENV = ROOT / "var/flower"
BATCH = 2000  # tasks: so many are sent, and counted by all who watch, before the next are sent
AS_MANY_AS_WE = 5000  # tasks of which the X-ray keeps all; of older ones, the number
SIZE: Any = {"width": 1280, "height": 900}
Ways = dict[str, list[float]]


class Monitor:
    """Something that watches: its process, its page, and how many tasks it has seen succeed."""

    def __init__(self, name: str, service: Service, url: str) -> None:
        self.name, self.service, self.url = name, service, url
        self.told = 0

    def seen(self) -> int:
        """Return how many tasks it has seen succeed."""
        return self.told


class Flower(Monitor):
    """Flower says in its metrics what it has seen. To be asked costs it something, too."""

    asked = 0.0

    def seen(self) -> int:
        """Return how many tasks it has seen succeed: it is asked twice a second at most."""
        if time.monotonic() > self.asked + 0.5:
            self.told, self.asked = self.ask(), time.monotonic()
        return self.told

    def ask(self) -> int:
        """Return how many tasks it has seen succeed."""
        counts = [
            float(line.rpartition(" ")[2])
            for line in httpx.get(f"{self.url}/metrics").text.splitlines()
            if line.startswith("flower_events_total{") and 'type="task-succeeded"' in line
        ]
        return int(sum(counts))


class Cost(NamedTuple):
    """What a drained queue has cost, in seconds for a thousand tasks."""

    drain: float  # by the clock
    worker: float  # processor time
    monitor: float  # processor time, until it has seen the last task


@contextmanager
def started(deployment: Deployment, command: str, port: int, **env: str) -> Iterator[Service]:
    """Run a monitor until the end of the block."""
    ready = answers_http(port)
    service = Service("monitor", command, ready=ready, log=deployment.log, cwd=ROOT, env=env)
    service.launch()
    try:
        service.wait()
        yield service
    finally:
        service.close()


@contextmanager
def xray(deployment: Deployment) -> Iterator[Monitor]:
    """Run the X-ray, watched as by a page that is open: otherwise it looks at nothing."""
    port = free_port()
    addresses = f"--broker {deployment.broker} --result-backend {deployment.backend}"
    command = f"{sys.executable} -m xray --port {port} {addresses}"
    with started(deployment, command, port) as service:
        monitor = Monitor("X-ray", service, f"http://127.0.0.1:{port}")

        def take(line: str) -> None:
            monitor.told += line.count('"type":"succeeded"')

        with read_lines(monitor.url, take):
            yield monitor


@contextmanager
def flower(deployment: Deployment, *options: str) -> Iterator[Monitor]:
    """Run Flower. No page of it is open, as it listens without one, too."""
    port = free_port()
    addresses = f"--broker={deployment.broker} --result-backend={deployment.backend}"
    where = f"--address=127.0.0.1 --port={port} --persistent=False"
    command = f"{ENV}/bin/python -m celery {addresses} flower {where} {' '.join(options)}"
    with started(deployment, command, port, FLOWER_UNAUTHENTICATED_API="true") as service:
        yield Flower(" ".join(["Flower", *options]), service, f"http://127.0.0.1:{port}")


def install_flower(wanted: str) -> None:
    """Install Flower beside the Celery that we have, into an environment of its own."""
    if not ENV.exists():
        subprocess.run([sys.executable, "-m", "venv", ENV], check=True)
    same = [f"{name}=={version(name)}" for name in ("celery", "kombu", "redis")]
    words = [f"{ENV}/bin/python", "-m", "pip", "install", "--quiet", f"flower=={wanted}", *same]
    subprocess.run(words, check=True)


def processor_time(service: Service) -> float:
    """Return the processor time that a process and its children have used."""
    times = [process.cpu_times() for process in service.process_tree()]
    return sum(each.user + each.system for each in times)


def memory(service: Service) -> float:
    """Return the resident memory of a process and its children, in MiB."""
    return sum(process.memory_info().rss for process in service.process_tree()) / 2**20


# --- what it costs -------------------------------------------------------------------------------


def drain(deployment: Deployment, tasks: int, monitor: Monitor | None) -> Cost:
    """Fill the queue while the worker takes nothing, and measure how it is emptied."""
    deployment.worker_takes(False)
    deployment.send("noop", tasks)
    watching = [monitor.service] if monitor else []
    due = monitor.seen() + tasks if monitor else 0
    watched = sum(map(processor_time, watching))
    began, worked = time.perf_counter(), processor_time(deployment.worker)
    deployment.worker_takes(True)
    wait_until(lambda: is_empty(deployment), "the queue to be empty", 300)
    took, worked = time.perf_counter() - began, processor_time(deployment.worker) - worked
    if monitor:
        wait_until(partial(has_seen, monitor, due), f"{monitor.name} to see the last task", 60)
    watched = sum(map(processor_time, watching)) - watched
    return Cost(*(1000 * each / tasks for each in (took, worked, watched)))


def is_empty(deployment: Deployment) -> bool:
    """Tell whether a worker has taken and acknowledged all."""
    return not deployment.redis.llen("celery") and not deployment.redis.hlen("unacked")


def learn(deployment: Deployment, monitor: Monitor) -> None:
    """Wait until a monitor sees what the worker does: it may take a while to subscribe."""
    before = monitor.seen()

    def sees() -> bool:
        deployment.send("noop")
        return monitor.seen() > before

    wait_until(sees, f"{monitor.name} to see a task")
    wait_until(lambda: is_empty(deployment), "the queue to be empty")


def cost_of(deployment: Deployment, way: str, tasks: int) -> Cost:
    """Drain a queue in one of the ways."""
    deployment.events(way != "nobody")
    if way in ("nobody", "events alone"):
        return drain(deployment, tasks, None)
    with xray(deployment) if way == "X-ray" else flower(deployment) as monitor:
        learn(deployment, monitor)
        return drain(deployment, tasks, monitor)


def compare_costs(deployment: Deployment, rounds: int, tasks: int) -> None:
    """Print what it costs to be watched, and to watch."""
    ways = ["nobody", "events alone", "X-ray", "Flower"]
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    drain(deployment, tasks, None)  # warms up
    for number in range(rounds):
        for way in ways[number % 4 :] + ways[: number % 4]:
            costs[way].append(cost_of(deployment, way, tasks))
        print(f"  round {number + 1} of {rounds} done", flush=True)
    print(f"\nCost, {rounds} rounds of {tasks:,} tasks that do nothing; median (range)")
    print("  worker: its processor time, as a ratio to nobody watching in the same round")
    tell({way: ratios(costs, way, "nobody", "worker") for way in ways[1:]})
    print("  drain: the time by the clock, as a ratio to nobody watching in the same round")
    tell({way: ratios(costs, way, "nobody", "drain") for way in ways[1:]})
    print("  monitor: its processor time, as a share of the worker's with nobody watching")
    shares = {
        way: [
            one.monitor / alone.worker
            for one, alone in zip(costs[way], costs["nobody"], strict=True)
        ]
        for way in ways[2:]
    }
    tell(shares)
    tell({"X-ray / Flower": ratios(costs, "X-ray", "Flower", "monitor")}, judged=False)
    for what in ("worker", "monitor"):
        times = {way: [getattr(one, what) for one in costs[way]] for way in ways}
        print(f"  seconds of processor time for 1,000 tasks here, {what}: {in_words(times)}")


def ratios(costs: dict[str, list[Cost]], one: str, other: str, what: str) -> list[float]:
    """Compare two ways, round by round."""
    return [
        getattr(first, what) / getattr(second, what)
        for first, second in zip(costs[one], costs[other], strict=True)
    ]


# --- how much it keeps ---------------------------------------------------------------------------


def compare_memory(folder: Path, rounds: int, tasks: int) -> None:
    """Print how much memory each has after many tasks, all of them watching at once."""
    found: Ways = {}
    for number in range(rounds):
        place = folder / f"memory-{number}"
        with Deployment(place, "--pool threads -c 2") as deployment, ExitStack() as stack:
            starts = [xray(deployment), flower(deployment)]
            starts.append(flower(deployment, f"--max-tasks={AS_MANY_AS_WE}"))
            monitors = [stack.enter_context(start) for start in starts]
            deployment.events(True)
            for monitor in monitors:
                learn(deployment, monitor)
            before = [memory(monitor.service) for monitor in monitors]
            run_in_batches(deployment, monitors, tasks)
            for monitor, at_first in zip(monitors, before, strict=True):
                now = memory(monitor.service)
                found.setdefault(monitor.name, []).append(now)
                print(
                    f"  {monitor.name}: {at_first:.0f} MiB before, {now:.0f} MiB after", flush=True
                )
    print(f"\nResident memory after {tasks:,} tasks, in MiB; {rounds} rounds, median (range)")
    print(f"  The X-ray keeps its latest 20,000 facts, of about {AS_MANY_AS_WE:,} tasks.")
    print("  Flower keeps 100,000 tasks, unless --max-tasks says another number.")
    tell(found)


def run_in_batches(deployment: Deployment, monitors: list[Monitor], tasks: int) -> None:
    """Have tasks done, not more at once than everybody can follow."""
    before = {monitor: monitor.seen() for monitor in monitors}
    for start in range(0, tasks, BATCH):
        deployment.send("noop", min(BATCH, tasks - start))
        follow(monitors, {monitor: before[monitor] + start for monitor in monitors})
    follow(monitors, {monitor: before[monitor] + tasks for monitor in monitors})


def follow(monitors: list[Monitor], due: dict[Monitor, int]) -> None:
    """Wait until each monitor has seen as many tasks as are due."""
    for monitor in monitors:
        wait_until(partial(has_seen, monitor, due[monitor]), f"{monitor.name} to see all", 120)


def has_seen(monitor: Monitor, due: int) -> bool:
    """Tell whether a monitor has seen as many tasks."""
    return monitor.seen() >= due


# --- how old its picture is ----------------------------------------------------------------------

WATCH = """(selector) => {
    window.shown = [];
    const text = () => document.querySelector(selector)?.textContent ?? "";
    let last = text();
    const look = () => {
        if (text() !== last) {
            last = text();
            shown.push(Date.now() / 1000);
        }
        requestAnimationFrame(look);
    };
    look();
}"""


def shown_at(opened: Page, before: int) -> float:
    """Return when a page has shown something new: the first that came after so many."""
    found: Any = wait_until(lambda: opened.evaluate("at => shown[at]", before), "a page to show it")
    return float(found)


class Ages:
    """Sends one task at a time, and measures when each monitor tells that it has succeeded.

    From the time that the worker has written into its event, until the browser has drawn it, and
    until the monitor's own interface tells it: the X-ray's stream as a client of it reads it, and
    Flower's API, asked again as soon as it has answered.
    """

    def __init__(self, deployment: Deployment, ours: Monitor, theirs: Monitor) -> None:
        self.deployment, self.ours, self.theirs = deployment, ours, theirs
        self.streamed = threading.Event()
        self.streamed_at = 0.0
        self.found: Ways = {name: [] for name in ("screen, X-ray", "screen, Flower")}
        self.found |= {name: [] for name in ("interface, X-ray", "interface, Flower")}

    def take(self, line: str) -> None:
        """Note when the X-ray's stream tells of a task's success."""
        if '"type":"succeeded"' in line:
            self.streamed_at = time.time()
            self.streamed.set()

    def measure(self, xrays: Page, flowers: Page) -> None:
        """Have one task done, and note how long after its event each told of it."""
        shown = {one: one.evaluate("shown.length") for one in (xrays, flowers)}
        self.streamed.clear()
        (task,) = self.deployment.send("noop")
        succeeded, api = self.ask_flower(task)
        assert self.streamed.wait(10), "the X-ray tells of the task"
        screens = [shown_at(one, before) for one, before in shown.items()]
        times = [*screens, self.streamed_at, api]
        for name, at in zip(self.found, times, strict=True):
            self.found[name].append(1000 * (at - succeeded))

    def ask_flower(self, task: str) -> tuple[float, float]:
        """Ask Flower's API until it tells of a success; return its event's time, and when."""
        with httpx.Client(base_url=self.theirs.url) as client:

            def succeeded() -> float | None:
                answer = client.get(f"/api/task/info/{task}")
                return answer.json()["succeeded"] if answer.status_code == 200 else None

            deadline = time.monotonic() + 15
            while not (at := succeeded()):
                assert time.monotonic() < deadline, "Flower tells of the task"
            return at, time.time()


def compare_ages(deployment: Deployment, times: int) -> None:
    """Print how long after an event each tells of it."""
    with (
        xray(deployment) as ours,
        flower(deployment) as theirs,
        chromium() as browser,
        page(browser, ours.url, SIZE) as xrays,
        page(browser, f"{theirs.url}/workers", SIZE) as flowers,
    ):
        deployment.events(True)
        for monitor in (ours, theirs):
            learn(deployment, monitor)
        ages = Ages(deployment, ours, theirs)
        xrays.locator("#tally .done").wait_for()
        for one, selector in ((xrays, "#tally .done b"), (flowers, "#workers-succeeded")):
            one.evaluate(WATCH, selector)
        with read_lines(ours.url, ages.take, last=0):
            for _ in range(times):
                xrays.wait_for_timeout(random.uniform(1500, 3000))  # at any moment of a refresh
                ages.measure(xrays, flowers)
    print(f"\nAge of what is told, in ms after the event, {times} tasks; median (range)")
    for where in ("screen", "interface"):
        found = {way.split(", ")[1]: some for way, some in ages.found.items() if where in way}
        sooner = sum(one < other for one, other in zip(*found.values(), strict=True))
        print(f"  {where}: the X-ray's told of {sooner} of {times} tasks before Flower's")
        tell(found)


# --- in words ------------------------------------------------------------------------------------


def tell(found: Ways, judged: bool = True) -> None:
    """Print a line for each way, and whether the X-ray's range lies below Flower's."""
    for way, some in found.items():
        median, least, most = statistics.median(some), min(some), max(some)
        print(f"    {way:32} {median:8.3g} ({least:.3g} to {most:.3g})")
    ours = found.get("X-ray", [])
    for way, theirs in found.items():
        if judged and ours and way.startswith("Flower"):
            print(f"    X-ray against {way}: {verdict(ours, theirs)}", flush=True)


def verdict(ours: list[float], theirs: list[float]) -> str:
    """Say which range lies below the other, if one does."""
    if max(ours) < min(theirs):
        return "below"
    return "above" if min(ours) > max(theirs) else "the ranges overlap, so no verdict"


def in_words(times: Ways) -> str:
    """Return the median of each way that has some time."""
    medians = {way: statistics.median(some) for way, some in times.items()}
    return ", ".join(f"{way} {median:.2f}" for way, median in medians.items() if median)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Of drained queues. 0: none.")
@click.option("--tasks", default=3000, show_default=True, help="In each queue that is drained.")
@click.option("--memory-rounds", default=1, show_default=True, help="Of many tasks. 0: none.")
@click.option("--memory-tasks", default=20_000, show_default=True, help="In each of those.")
@click.option("--ages", default=40, show_default=True, help="Tasks that are timed. 0: none.")
@click.option("--flower", "wanted", default=FLOWER, show_default=True, help="Flower's version.")
def main(
    rounds: int, tasks: int, memory_rounds: int, memory_tasks: int, ages: int, wanted: str
) -> None:
    """Print how the X-ray and Flower compare, in cost, in memory and in age.

    The cost is in processor time, which other work on the machine disturbs least. 'below' or
    'above' is said only where the ranges of all rounds don't overlap. Flower has no page open
    while costs and memory are measured; the X-ray has a client of its stream.
    """
    install_flower(wanted)
    print(f"Flower {wanted}, Celery {version('celery')}, load before: {os.getloadavg()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Deployment(folder / "first") as deployment:
            if rounds:
                compare_costs(deployment, rounds, tasks)
            if ages:
                compare_ages(deployment, ages)
        if memory_rounds:
            compare_memory(folder, memory_rounds, memory_tasks)
    print(f"load after: {os.getloadavg()}")


if __name__ == "__main__":
    main()
