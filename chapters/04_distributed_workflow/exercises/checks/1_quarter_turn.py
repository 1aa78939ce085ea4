"""Have albums turned; let one end well, stop the others, and look at the files."""

import importlib
import json
import shlex
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.states import READY_STATES
from flask import current_app
from PIL import Image
from redis import Redis

from lab import create_app
from lab.cancel import cancel_orders
from lab.db import db
from lab.models import Album, Order, Photo
from lab.orders import place_order
from lab.storage import prints_folder
from workbench.chapter_run import ChapterRun

NAME = "tasks.turn"
FEW, MANY = 3, 40  # photos
LIMIT = 0.5  # seconds: many take longer than that
PATIENCE = 15  # seconds in which a task says something
LOOK = "Look at `turn`."


class Watch:
    """Hears each state that a task has, in its order: Redis tells whoever listens."""

    def __init__(self, celery: Celery, url: str) -> None:
        self.celery = celery
        self.redis = Redis.from_url(url)  # kept: the feed ends with its client
        self.feed = self.redis.pubsub()  # type: ignore[no-untyped-call]
        self.feed.psubscribe("celery-task-meta-*")
        self.feed.get_message(timeout=PATIENCE)  # from now on

    def until_end(
        self, task_id: str, on_progress: Callable[[Any], object] = lambda _: None
    ) -> tuple[str, Any]:
        """Return how a task ended, and with what, once its process is free again."""
        state, result = "PENDING", None
        while state not in READY_STATES and (
            message := self.feed.get_message(timeout=PATIENCE)
        ):
            said = json.loads(message["data"])
            if said["task_id"] == task_id:
                state, result = said["status"], said["result"]
            if said["task_id"] == task_id and state == "PROGRESS":
                on_progress(result)
        self.celery.send_task("tasks.publish_album", ["last"]).get(timeout=PATIENCE)
        return state, result


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Turn four albums."""
    turn = importlib.import_module(answer.stem).turn
    chapter_run.add("worker", worker(answer))
    chapter_run.services["worker"].launch()
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    watch = Watch(app.extensions["celery"], chapter_run.result_backend)
    with app.app_context():
        make_album("last", 0)
        whole, broken = make_album("whole", FEW), make_album("broken", FEW)
        large = prints_folder(broken.photos[-1].id) / "large.jpg"
        large.write_text("not a photo")
        unwanted, late = make_album("unwanted", MANY), make_album("late", MANY)
        chapter_run.services["worker"].wait()
        to_the_end(turn, whole, watch)
        not_readable(turn, broken, watch)
        cancelled(turn, unwanted, watch)
        out_of_time(turn, late, watch)


def to_the_end(turn: Task, album: Album, watch: Watch) -> None:
    """Turn an album that nobody stops."""
    before, reports = files(), list[Any]()
    order = place_order(turn, album)
    state, result = watch.until_end(order.id, reports.append)
    assert state == "SUCCESS", (
        f"Expected state SUCCESS for an album that nobody stops, but got "
        f"{shown(state, result)}. {LOOK}"
    )
    one, two = reported(1), reported(2)
    said = ", ".join(map(str, reports)) or "nothing"
    assert [said for said, _ in groupby(reports) if said in (one, two)] == [one, two], (
        f"Expected at least the reports {one} and {two}, as state PROGRESS, for an "
        f"album of {FEW} photos, but got {said}. Look at `write_zip` in lab/tasks.py."
    )
    assert result == reported(FEW), (
        f"Expected {reported(FEW)} as the result, but got {result}. {LOOK}"
    )
    for photo in album.photos:
        for path in prints_folder(photo.id).glob("*.jpg"):
            is_turned(path)
    same_files("when all is done", before)


def is_turned(path: Path) -> None:
    """Look at one print, which was red on its left side."""
    with Image.open(path) as image:
        upright = image.width < image.height
        top: Any = image.convert("RGB").getpixel((image.width // 2, 2))
    assert upright, f"Expected all prints to be turned, but a {path.name} isn't. {LOOK}"
    assert top[0] > top[2], (
        f"Expected a turn clockwise, which takes the left side up, but {path.name} was "
        "turned the other way. Look at `quarter_turn`."
    )


def not_readable(turn: Task, album: Album, watch: Watch) -> None:
    """Turn an album with a print that is none."""
    before = files()
    state, result = watch.until_end(place_order(turn, album).id)
    assert state == "FAILURE", (
        f"Expected state FAILURE when a print can't be read, but got "
        f"{shown(state, result)}. {LOOK}"
    )
    unchanged("when the last print can't be read", before)


def cancelled(turn: Task, album: Album, watch: Watch) -> None:
    """Cancel an order, once a photo is done."""
    before = files()
    order = place_order(turn, album)

    def on_progress(said: dict[str, int]) -> None:
        if said["done"] >= 1 and not order.cancelled_at:
            cancel_orders([order])

    state, result = watch.until_end(order.id, on_progress)
    assert state == "REVOKED", (
        f"Expected state REVOKED when the order is cancelled after the first of {MANY} "
        f"photos, but got {shown(state, result)}. Look at `write_zip` in lab/tasks.py."
    )
    unchanged("when its order is cancelled", before)


def out_of_time(turn: Task, album: Album, watch: Watch) -> None:
    """Let the task meet its soft time limit."""
    before = files()
    order = Order(task=NAME, album=album)
    db.session.add(order)
    db.session.commit()
    options: dict[str, Any] = {"soft_time_limit": LIMIT}
    turn.apply_async((album.id,), task_id=order.id, **options)
    state, result = watch.until_end(order.id)
    assert state == "FAILURE", (
        f"Expected state FAILURE at the soft time limit ({LIMIT} seconds for {MANY} "
        f"photos), but got {shown(state, result)}. {LOOK}"
    )
    unchanged("when it meets its soft time limit", before)


def unchanged(when: str, before: dict[str, bytes]) -> None:
    """Compare what there is with what there was."""
    now = files()
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    assert not changed, (
        f"Expected each print to be as it was {when}, but {len(changed)} aren't. {LOOK}"
    )
    same_files(when, before)


def same_files(when: str, before: dict[str, bytes]) -> None:
    """Compare the names of what there is and what there was."""
    now = files()
    news, lost = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    assert not news, (
        f"Expected no new file {when}, but there is {news[0]}. Who deletes it?"
    )
    assert not lost, f"Expected no file to be gone {when}, but {lost[0]} is. {LOOK}"


def make_album(name: str, photos: int) -> Album:
    """Fill an album: few photos with three prints, red on the left, or many."""
    album = Album(id=name, name=name)
    album.photos = [
        Photo(id=f"{name}-{number}", name="photo") for number in range(photos)
    ]
    db.session.add(album)
    db.session.commit()
    sample = Path(current_app.root_path, "static/samples/dunes.jpg")
    for photo in album.photos:
        folder = prints_folder(photo.id)
        folder.mkdir(parents=True)
        if photos == MANY:
            shutil.copy(sample, folder / "large.jpg")
            continue
        for size, edge in {"small": 480, "medium": 960, "large": 1600}.items():
            image = Image.new("RGB", (edge, edge * 3 // 4), "blue")
            image.paste("red", (0, 0, edge // 2, edge))
            image.save(folder / f"{size}.jpg")
    return album


def files() -> dict[str, bytes]:
    """Return all files of the lab but its database."""
    folder = Path(current_app.config["DIR"])
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if not path.name.startswith("lab.sqlite")
    }


def reported(done: int) -> dict[str, int]:
    """Return what the task says of a small album."""
    return {"done": done, "total": FEW}


def shown(state: str, result: Any) -> str:
    """Return how a task ended."""
    if isinstance(result, dict) and "exc_type" in result:
        return f"{state} ({result['exc_type']})"
    return state


def worker(answer: Path) -> str:
    """Return the command that starts a worker which knows the answer's task."""
    return (
        f"PYTHONPATH={shlex.quote(str(answer.parent))} celery -A make_celery worker "
        f"--include {answer.stem} --concurrency 1 --without-mingle --without-gossip"
    )
