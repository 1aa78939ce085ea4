"""Hold contests: of many photos, of one, and two that fail; watch the worker."""

import importlib
import shlex
import time
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from celery.exceptions import TimeoutError
from celery.result import AsyncResult
from PIL import Image, ImageFilter
from redis import Redis

from lab import create_app
from lab.db import db
from lab.models import Album, Photo
from lab.storage import album_folder, photos_folder, prints_folder
from workbench.chapter_run import ChapterRun

PATIENCE = 10  # seconds for a contest
AFTERWARDS = 3  # seconds, to write down why it failed
# How much each is blurred; None can't be read.
BLUR = {"mist": 4, "torn": None, "stones": 0, "waves": 2, "smoke": 8}
WINNER = "stones"
LOOK = "Look at `hold_contest`."


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Hold four contests."""
    hold_contest = importlib.import_module(answer.stem).hold_contest
    chapter_run.add("worker", worker(answer))
    chapter_run.services["worker"].launch()
    app = create_app()
    app.test_cli_runner().invoke(args=["init-db"])
    notes = Redis.from_url(chapter_run.broker_url, decode_responses=True)
    with app.app_context():
        many = make_album("many", BLUR)
        one = make_album("one", {"alone": 1})
        none = make_album("none", {"ashes": None, "rags": None})
        stuck = make_album("stuck", {"fern": 0, "moss": 3})
        album_folder(stuck.id).parent.mkdir(parents=True)
        album_folder(stuck.id).write_text("a file where a folder should be")
        chapter_run.services["worker"].wait()

        state, result = end(hold(hold_contest, many))
        waited = sorted({str(task) for task in notes.lrange("waited", 0, -1)})
        assert not waited, (
            "Expected no task to wait for another, but .get() or .join() was called in "
            f"{', '.join(waited)}. {LOOK}"
        )
        ids = set(notes.lrange("begun tasks.measure", 0, -1))
        assert len(ids) == len(BLUR), (
            f"Expected {len(BLUR)} tasks named tasks.measure, one for each photo, but "
            f"{len(ids)} began. {LOOK}"
        )
        assert notes.get("met"), (
            "Expected photos to be measured at the same time, in both processes, but "
            f"the second task began after the first had ended. {LOOK}"
        )
        assert state == "SUCCESS", (
            f"Expected the contest to go on without the one photo of {len(BLUR)} that "
            f"can't be read, but got {shown(state, result)}. Look at tasks.measure."
        )
        won(many, WINNER, result)

        state, result = end(hold(hold_contest, one))
        assert state == "SUCCESS", (
            f"Expected a winner in an album of one photo, but got "
            f"{shown(state, result)}. {LOOK}"
        )
        won(one, "alone", result)

        for album, why in {
            none: "no photo can be read",
            stuck: "the winner's frame can't be stored",
        }.items():
            state, result = end(hold(hold_contest, album))
            assert is_noted(album), (
                f"Expected note_failure to write down why, as the album's error, when "
                f"{why}, but it didn't. The contest's end: {shown(state, result)}. "
                "Look which parts have an errback."
            )


def hold(hold_contest: Any, album: Album) -> Any:
    """Hold a contest of an album's photos."""
    return hold_contest(album.id, [photo.id for photo in album.photos])


def won(album: Album, winner: str, result: Any) -> None:
    """Look who has won, and that nothing was done with the others."""
    assert result == winner, (
        f"Expected the winner's id, {winner}, as the result, but got {result}. "
        "Look at what the last task returns."
    )
    developed = [photo.id for photo in album.photos if prints_folder(photo.id).exists()]
    assert developed == [winner], (
        f"Expected only the winner, {winner}, to be developed, but these were: "
        f"{', '.join(developed) or 'none'}. Look who calls `award`."
    )
    assert (album_folder(album.id) / "winner.jpg").exists(), (
        "Expected winner.jpg in the album's folder, but it isn't there. "
        "Look who calls `award`."
    )


def end(result: AsyncResult[Any]) -> tuple[str, Any]:
    """Wait for the end of a contest; return its state and its result."""
    assert isinstance(result, AsyncResult), (
        "Expected hold_contest to return the result of the last task, but got "
        f"{type(result).__name__}. {LOOK}"
    )
    with suppress(TimeoutError):
        result.get(timeout=PATIENCE, propagate=False)
    return result.state, result.result


def is_noted(album: Album) -> bool:
    """Wait until somebody has written down why: the contest itself has ended."""
    deadline = time.monotonic() + AFTERWARDS
    while not album.error and time.monotonic() < deadline:
        Event().wait(0.05)
        db.session.rollback()
        db.session.refresh(album)
    return bool(album.error)


def shown(state: str, result: Any) -> str:
    """Return how a contest ended."""
    if isinstance(result, Exception):
        return f"state {state}, {type(result).__name__}: {result}".rstrip(".")
    return f"state {state}" + (f", {result}" if result else "")


def make_album(name: str, photos: dict[str, int | None]) -> Album:
    """Put photos into an album, each blurred more or less."""
    album = Album(id=name, name=name)
    album.photos = [Photo(id=photo, name=photo) for photo in photos]
    db.session.add(album)
    db.session.commit()
    photos_folder().mkdir(exist_ok=True)
    noise = Image.effect_noise((400, 300), 90)
    for photo_id, blur in photos.items():
        path = photos_folder() / photo_id
        if blur is None:
            path.write_text("not a photo")
        else:
            noise.filter(ImageFilter.GaussianBlur(blur)).save(path, "PNG")
    return album


def worker(answer: Path) -> str:
    """Return the command that starts a worker which is watched, and knows the tasks."""
    return (
        f"PYTHONPATH={shlex.quote(str(answer.parent))} "
        "celery -A exercises.checks.watched_lab:celery_app worker "
        f"--include {answer.stem} --concurrency 2 --without-mingle --without-gossip"
    )
