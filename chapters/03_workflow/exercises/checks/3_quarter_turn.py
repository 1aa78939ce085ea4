"""Have albums turned; let one end well, stop the others on their way, and look at the files."""

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
from lab.cancel import take_back
from lab.db import db, folder
from lab.models import Album, Order, Photo
from lab.orders import place
from workbench.chapter_run import ChapterRun

NAME = "tasks.turn"
FEW, MANY = 3, 40  # photos
LIMIT = 0.5  # seconds: many take longer than that
PATIENCE = 15  # seconds in which a task says something


class Watch:
    """Hears each state that a task has, in its order: Redis tells whoever listens."""

    def __init__(self, celery: Celery, url: str) -> None:
        self.celery = celery
        self.redis = Redis.from_url(url)  # kept: without its client the feed is cut off
        self.feed = self.redis.pubsub()  # type: ignore[no-untyped-call]
        self.feed.psubscribe("celery-task-meta-*")
        self.feed.get_message(timeout=PATIENCE)  # from now on

    def until_end(
        self, task_id: str, on_progress: Callable[[Any], object] = lambda _: None
    ) -> tuple[str, Any]:
        """Return how a task ended, and with what, once its process is free again."""
        state, result = "PENDING", None
        while state not in READY_STATES and (message := self.feed.get_message(timeout=PATIENCE)):
            said = json.loads(message["data"])
            if said["task_id"] == task_id:
                state, result = said["status"], said["result"]
            if said["task_id"] == task_id and state == "PROGRESS":
                on_progress(result)
        self.celery.send_task("tasks.my_task", [1, 2]).get(timeout=PATIENCE)
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
        whole, broken = make_album("whole", FEW), make_album("broken", FEW)
        (broken.photos[-1].prints / "large.jpg").write_text("not a photo")
        unwanted, late = make_album("unwanted", MANY), make_album("late", MANY)
        chapter_run.services["worker"].wait()
        to_the_end(turn, whole, watch)
        not_readable(turn, broken, watch)
        taken_back(turn, unwanted, watch)
        out_of_time(turn, late, watch)


def to_the_end(turn: Task[Any, Any], album: Album, watch: Watch) -> None:
    """Turn an album that nobody stops."""
    before, reports = files(), list[Any]()
    order = place(turn, album.id, album=album)
    state, result = watch.until_end(order.id, reports.append)
    assert state == "SUCCESS", (
        f"An album that nobody stops is turned. Yours: {shown(state, result)}."
    )
    one, two = reported(1), reported(2)
    assert [said for said, _ in groupby(reports) if said in (one, two)] == [one, two], (
        f"With {FEW} photos, the task reports as state PROGRESS at least {one}, then {two}. "
        f"Yours reports {', '.join(map(str, reports)) or 'nothing'}."
    )
    assert result == reported(FEW), f"At the end it returns {reported(FEW)}. Yours: {result}."
    for path in [path for photo in album.photos for path in photo.prints.glob("*.jpg")]:
        with Image.open(path) as image:
            upright = image.width < image.height
            top: Any = image.convert("RGB").getpixel((image.width // 2, 2))
        assert upright, f"All prints are turned: small, medium, large. Yours leaves a {path.name}."
        assert top[0] > top[2], "A quarter turn clockwise takes the left side up. Yours doesn't."
    same_files("When all is done", before)


def not_readable(turn: Task[Any, Any], album: Album, watch: Watch) -> None:
    """Turn an album with a print that is none."""
    before = files()
    state, result = watch.until_end(place(turn, album.id, album=album).id)
    assert state == "FAILURE", (
        f"If a print can't be read, the task is in state FAILURE. Yours: {shown(state, result)}."
    )
    unchanged("If the last print can't be read", before)


def taken_back(turn: Task[Any, Any], album: Album, watch: Watch) -> None:
    """Take an order back, once a photo is done."""
    before = files()
    order = place(turn, album.id, album=album)

    def on_progress(said: dict[str, int]) -> None:
        if said["done"] >= 1 and not order.taken_back:
            take_back(order)

    state, result = watch.until_end(order.id, on_progress)
    assert state == "REVOKED", (
        f"Taken back after the first of {MANY} photos, the task stops, in state REVOKED. "
        f"Yours: {shown(state, result)}."
    )
    unchanged("If its order is taken back", before)


def out_of_time(turn: Task[Any, Any], album: Album, watch: Watch) -> None:
    """Let the task meet its soft time limit."""
    before = files()
    order = Order(task=NAME, album=album)
    db.session.add(order)
    db.session.commit()
    watch.celery.send_task(NAME, [album.id], task_id=order.id, soft_time_limit=LIMIT)  # type: ignore[arg-type]
    state, result = watch.until_end(order.id)
    assert state == "FAILURE", (
        f"With {LIMIT} seconds for {MANY} photos, the task meets its soft time limit, and is in "
        f"state FAILURE. Yours: {shown(state, result)}."
    )
    unchanged("If it meets its soft time limit", before)


def unchanged(when: str, before: dict[str, bytes]) -> None:
    """Compare what there is with what there was."""
    changed = [name for name, content in files().items() if before.get(name, content) != content]
    assert not changed, f"{when}, each print is as it was. With yours, {len(changed)} are not."
    same_files(when, before)


def same_files(when: str, before: dict[str, bytes]) -> None:
    """Compare the names of what there is and what there was."""
    news, lost = sorted(files().keys() - before.keys()), sorted(before.keys() - files().keys())
    assert not news, f"{when}, no file is left that wasn't there before. Yours leaves {news[0]}."
    assert not lost, f"{when}, no file is gone. With yours, {lost[0]} is."


def make_album(name: str, photos: int) -> Album:
    """Put photos into an album: few with three prints, red on the left; many with a large one."""
    album = Album(id=name, name=name, email="you@example.com")
    album.photos = [Photo(id=f"{name}-{number}", name="photo") for number in range(photos)]
    db.session.add(album)
    db.session.commit()
    sample = Path(current_app.root_path, "static/samples/dunes.jpg")
    for photo in album.photos:
        photo.prints.mkdir(parents=True)
        if photos == MANY:
            shutil.copy(sample, photo.prints / "large.jpg")
            continue
        for size, edge in {"small": 480, "medium": 960, "large": 1600}.items():
            image = Image.new("RGB", (edge, edge * 3 // 4), "blue")
            image.paste("red", (0, 0, edge // 2, edge))
            image.save(photo.prints / f"{size}.jpg")
    return album


def files() -> dict[str, bytes]:
    """Return all files of the lab but its database."""
    paths = [path for path in folder("").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder(""))): path.read_bytes()
        for path in paths
        if not path.name.startswith("lab.sqlite")
    }


def reported(done: int) -> dict[str, int]:
    """Return what the task says of a small album."""
    return {"done": done, "total": FEW}


def shown(state: str, result: Any) -> str:
    """Return how a task ended."""
    kind = f": {result['exc_type']}" if isinstance(result, dict) and "exc_type" in result else ""
    return f"it is in state {state}{kind}"


def worker(answer: Path) -> str:
    """Return the command that starts a worker which knows the answer's task."""
    return (
        f"PYTHONPATH={shlex.quote(str(answer.parent))} celery -A make_celery worker "
        f"--include {answer.stem} --concurrency 1 --without-mingle --without-gossip"
    )
