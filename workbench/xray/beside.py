"""The X-ray beside a chapter: one more process of its run, which nothing waits for."""

import os
import shlex
import sys
from pathlib import Path

from workbench import probes
from workbench.bench import Bench, find_port
from workbench.service import Service

PORT = 5555


class Beside(Service):
    """A process that a run can do without."""

    def wait(self) -> None:
        """Wait for nothing: it is ready sooner than the worker, mostly."""

    def check_alive(self) -> None:
        """Say nothing: a run goes on without it, and reports its end."""


def is_wanted() -> bool:
    """Tell whether runs have an X-ray: XRAY=0 leaves it out."""
    return os.environ.get("XRAY") != "0"


def add_to(bench: Bench) -> str | None:
    """Prepare the X-ray of a run, and return its address; None if XRAY=0 leaves it out."""
    if not is_wanted():
        return None
    port = find_port("XRAY_PORT", PORT)
    # It starts while the worker waits for others to say hello, rather than at its cost.
    words = ["nice", "-n", "10", sys.executable, "-m", "workbench", "xray", "--port", str(port)]
    words += ["--run", str(os.getpid()), "--chapter", bench.chapter.name, bench.url]
    if bench.management:
        words += ["--management", bench.management]
    bench.services["xray"] = Beside(
        "xray",
        shlex.join(words),
        ready=probes.accepts(port),
        log=bench.log,
        cwd=Path(__file__).parents[2],
        env=bench.env,
    )
    bench.only.append("xray")
    return f"http://127.0.0.1:{port}"
