"""The X-ray of a chapter: one more process of its run, which nothing waits for."""

import os
import shlex
import sys
from pathlib import Path

from workbench import probes
from workbench.chapter_run import ChapterRun, find_port
from workbench.service import Service

PORT = 5555


class OptionalService(Service):
    """A process that a run can do without."""

    def wait(self) -> None:
        """Wait for nothing: it is ready sooner than the worker, mostly."""

    def check_alive(self) -> None:
        """Say nothing: a run goes on without it, and reports its end."""


def is_wanted() -> bool:
    """Tell whether runs have an X-ray: XRAY=0 leaves it out."""
    return os.environ.get("XRAY") != "0"


def add_to(chapter_run: ChapterRun) -> str | None:
    """Prepare the X-ray of a run, and return its address; None if XRAY=0 leaves it out."""
    if not is_wanted():
        return None
    port = find_port("XRAY_PORT", PORT)
    # It starts while the worker waits for others to say hello, rather than at its cost.
    words = ["nice", "-n", "10", sys.executable, "-m", "xray", "--port", str(port)]
    words += ["--run", str(os.getpid()), "--chapter", chapter_run.chapter.name, chapter_run.url]
    if chapter_run.management:
        words += ["--management", chapter_run.management]
    chapter_run.services["xray"] = OptionalService(
        "xray",
        shlex.join(words),
        ready=probes.accepts(port),
        log=chapter_run.log,
        cwd=Path(__file__).parents[1],
        env=chapter_run.env,
    )
    chapter_run.only.append("xray")
    return f"http://127.0.0.1:{port}"
