"""What ordering costs: POSTs that order a task, as a share of POSTs that answer a constant."""

import http.client
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import psutil

from workbench import brokers, chapter, probes
from workbench.log import Log
from workbench.service import Service

CLIENTS = 4  # threads that send requests, one after the other
NUMBERS = "arg1=2&arg2=3"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# The chapter's own app, with one view more.
MODULE = """
try:
    from lab import create_app
except ImportError:
    from app import app
else:
    app = create_app()


@app.post("/constant")
def constant():
    return "a constant"
"""


class Rate(NamedTuple):
    """What one load has shown."""

    a_second: float  # requests, by the clock
    cpu: float  # seconds of processor time that the server needs for a request


class Served(NamedTuple):
    """A chapter at work."""

    name: str
    web: Service
    port: int


@click.command()
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@click.option("--rounds", default=7, show_default=True, help="Of all requests, in turns.")
@click.option("--seconds", default=2.0, show_default=True, help="Each load lasts so long.")
@click.option(
    "--and",
    "others",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Another checkout, such as one of an earlier commit, measured in the same run.",
)
def main(chapters: tuple[str, ...], rounds: int, seconds: float, others: tuple[Path, ...]) -> None:
    """Print the share for each CHAPTER (01 to 03, by default), under gunicorn with two workers.

    Nothing takes the messages. A share of 0.20 means: in the time of one order, five
    constants. By processor time it is steadier than by the clock.
    """
    for number in chapters or ("01", "02", "03"):
        with ExitStack() as stack:
            served = [
                stack.enter_context(serve(find_chapter(root, number)))
                for root in (*others, chapter.ROOT)
            ]
            compare(served, rounds, seconds)


def find_chapter(root: Path, number: str) -> Path:
    """Return a chapter's folder in a checkout."""
    found = sorted(root.glob(f"chapters/{number.zfill(2)}_*"))
    if not found:
        raise click.ClickException(f"There is no chapter {number} below {root}.")
    return found[0]


@contextmanager
def serve(path: Path) -> Iterator[Served]:
    """Serve a chapter with gunicorn, beside a Redis of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, port = Path(temporary), probes.free_port()
        redis, url = brokers.redis_server("redis", folder / "redis", Log())
        (folder / "measured.py").write_text(MODULE)
        web = Service(
            "web",
            command(path, folder, port),
            ready=probes.accepts(port),
            log=Log(),
            cwd=path,
            env={
                "CELERY_BROKER_URL": f"{url}/0",
                "CELERY_RESULT_BACKEND": f"{url}/1",
                "LAB_DIR": str(folder / "lab"),
            },
        )
        try:
            for service in (redis, web):
                service.launch()
                service.wait()
            yield Served(f"{path.name} in {path.parents[1]}", web, port)
        finally:
            web.close()
            redis.close()


def command(path: Path, folder: Path, port: int) -> str:
    """Return the command that serves a chapter's app."""
    words = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}"]
    words += [f"--pythonpath={path},{folder}", "--no-control-socket", "measured:app"]
    has_tables = (path / "lab").is_dir()
    set_up = f"{sys.executable} -m flask --app lab init-db && " if has_tables else ""
    return set_up + shlex.join(words)


def compare(all_served: list[Served], rounds: int, seconds: float) -> None:
    """Load all addresses in turns, and print the shares."""
    by_clock: dict[str, list[float]] = {served.name: [] for served in all_served}
    by_cpu: dict[str, list[float]] = {served.name: [] for served in all_served}
    for served in all_served:  # until both workers have imported everything
        load(served, "/constant", seconds)
        load(served, "/my-task", seconds)
    for _ in range(rounds):
        for served in all_served:
            constant = load(served, "/constant", seconds)
            order = load(served, "/my-task", seconds)
            by_clock[served.name].append(order.a_second / constant.a_second)
            by_cpu[served.name].append(constant.cpu / order.cpu)
    for name in by_cpu:
        print(f"{name}: by processor time {in_words(by_cpu[name])},", end=" ")
        print(f"by the clock {in_words(by_clock[name])}")


def load(served: Served, path: str, seconds: float) -> Rate:
    """Send POSTs for some seconds."""
    processes = served.web.process_tree()
    before, started = processor_time(processes), time.monotonic()
    deadline = started + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(send, served.port, path, deadline) for _ in range(CLIENTS)]
        answered = sum(client.result() for client in clients)
    passed, used = time.monotonic() - started, processor_time(processes) - before
    return Rate(answered / passed, used / answered)


def send(port: int, path: str, deadline: float) -> int:
    """Send POSTs until the deadline; return how many were answered."""
    sent = 0
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", path, NUMBERS, FORM)
        answer = connection.getresponse()
        if answer.status not in (200, 202):
            raise click.ClickException(f"POST {path} was answered {answer.status}.")
        answer.read()
        connection.close()
        sent += 1
    return sent


def processor_time(processes: list[psutil.Process]) -> float:
    """Return the seconds that these processes have used."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def in_words(shares: list[float]) -> str:
    """Return median and range."""
    return f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})"


if __name__ == "__main__":
    main()
