"""What the notebooks share: a chapter that runs meanwhile, photos, patience, and a style."""

import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import matplotlib as mpl
import psutil
from cycler import cycler
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # notebooks/ is where a kernel starts
from workbench.chapter import VAR
from workbench.chapter_run import ChapterRun

Found = TypeVar("Found")

# Told apart by the colour-blind (Okabe and Ito's colours), and in grey by their lightness.
ORANGE, BLUE, GREEN, YELLOW, GREY = "#d55e00", "#0072b2", "#009e73", "#e69f00", "#999999"

FILES = VAR / "notebooks"

_running: list[ChapterRun] = []
_client = httpx.Client(timeout=60)


def start(chapter: str, only: list[str] | None = None) -> ChapterRun:
    """Start a chapter on a Redis of its own, and go where its programs live.

    All of it ends with `close`, or with this kernel, or when you call this again.
    """
    while _running:
        _running[-1].close()
        for name in _running.pop().env.keys() - {"PATH"}:
            os.environ.pop(name, None)  # or the next would use the servers of the last
    for path in FILES.glob("*"):  # photos and prints of kernels that are no more
        if path.name.isdigit() and not psutil.pid_exists(int(path.name)):
            shutil.rmtree(path)
    folder = FILES / str(os.getpid()) / f"{time.time():.0f}"
    _running.append(ChapterRun(chapter, only=only, folder=folder).__enter__())
    chapter_run = _running[-1]
    os.environ.update(chapter_run.env)  # such as CELERY_BROKER_URL
    os.chdir(chapter_run.chapter.path)
    sys.path.insert(0, str(chapter_run.chapter.path))
    for name, module in list(sys.modules.items()):  # those of an earlier start had other addresses
        if str(getattr(module, "__file__", "")).startswith(str(chapter_run.chapter.path.parent)):
            del sys.modules[name]
    dress()
    return chapter_run


def dress() -> None:
    """Have plots that can be read from the last row, and in print."""
    cycle = cycler(color=[ORANGE, YELLOW, BLUE, GREEN], marker=["s", "^", "o", "D"])
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycle,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "figure.figsize": (8, 3.2),  # inches
            "font.size": 11,
            "legend.frameon": False,
        }
    )


def photos(edge: int) -> list[bytes]:
    """Return the sample photos, smaller: developing them takes less time. Edge in pixels."""
    found = []
    for path in sorted(Path().glob("**/static/samples/*.jpg")):
        with Image.open(path) as image:
            image.thumbnail((edge, edge))
            file = io.BytesIO()
            image.save(file, "JPEG")
        found.append(file.getvalue())
    return found


def until(look: Callable[[], Found], what: str, seconds: float = 30) -> Found:
    """Look again and again until something is there, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seconds:.0f} seconds have passed without {what}.")
        time.sleep(0.02)
    return found


def final_status(address: str) -> dict[str, Any]:
    """Ask how an order stands until it is done or has failed."""

    def look() -> dict[str, Any] | None:
        order: dict[str, Any] = _client.get(address).json()
        return order if order["state"] in ("SUCCESS", "FAILURE", "REVOKED") else None

    return until(look, f"an end of {address}") or {}
