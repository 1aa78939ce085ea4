"""Hold contests: of many photos, of one, and two that fail; watch what the worker does."""

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
from lab.db import db, folder
from lab.models import Album, Photo
from workbench.chapter_run import ChapterRun

PATIENCE = 10  # seconds for a contest
AFTERWARDS = 3  # seconds, to tell why it failed
BLUR = {"mist": 4, "torn": None, "stones": 0, "waves": 2, "smoke": 8}  # None can't be read
WINNER = "stones"


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
        stuck.folder.parent.mkdir(parents=True)
        stuck.folder.write_text("a file where a folder should be")
        chapter_run.services["worker"].wait()

        state, result = end(hold_contest(many))
        waited = sorted({str(task) for task in notes.lrange("waited", 0, -1)})
        assert not waited, (
            "No task waits for another. With yours, .get() or .join() was called in "
            f"{', '.join(waited)}."
        )
        ids = set(notes.lrange("begun tasks.measure", 0, -1))
        assert len(ids) == len(BLUR), (
            f"Each of {len(BLUR)} photos is measured by a task of its own, tasks.measure. "
            f"With yours, {len(ids)} such tasks began."
        )
        assert notes.get("met"), (
            "The photos are measured at once, as far as there are processes. With yours, one task "
            "measured while nobody measured beside it: the second began only after the first."
        )
        assert state == "SUCCESS", (
            f"One of {len(BLUR)} photos can't be read, and the contest goes on without it. "
            f"Yours: {shown(state, result)}."
        )
        won(many, WINNER, result)

        state, result = end(hold_contest(one))
        assert state == "SUCCESS", (
            f"An album of one photo has a winner, too. Yours: {shown(state, result)}."
        )
        won(one, "alone", result)

        for album, why in {
            none: "no photo can be read",
            stuck: "the winner's frame can't be stored",
        }.items():
            state, result = end(hold_contest(album))
            assert told(album), (
                f"If {why}, the rest of the contest fails, and `tell` writes down why, as the "
                f"album's `trouble`. With yours there is none. It ended so: {shown(state, result)}."
            )


def won(album: Album, winner: str, result: Any) -> None:
    """Look who has won, and that nothing was done with the others."""
    assert result == winner, f"The result is the winner's id, {winner}. Yours: {result}."
    db.session.rollback()  # what was read so far may be old
    developed = [photo.id for photo in album.photos if photo.developed]
    assert developed == [winner], (
        f"Only the winner is developed, {winner}. With yours: {', '.join(developed) or 'none'}."
    )
    assert (album.folder / "winner.jpg").exists(), "The winner, framed, is in the album's folder."


def end(result: AsyncResult[Any]) -> tuple[str, Any]:
    """Wait for the end of a contest; return how it stands."""
    assert isinstance(result, AsyncResult), "hold_contest() returns the result of the last task."
    with suppress(TimeoutError):
        result.get(timeout=PATIENCE, propagate=False)
    return result.state, result.result


def told(album: Album) -> bool:
    """Wait until somebody has written down what the trouble is: the contest itself has ended."""
    deadline = time.monotonic() + AFTERWARDS
    while not album.trouble and time.monotonic() < deadline:
        Event().wait(0.05)
        db.session.rollback()
    return bool(album.trouble)


def shown(state: str, result: Any) -> str:
    """Return how a contest ended."""
    if isinstance(result, Exception):
        return f"state {state}, {type(result).__name__}: {result}".rstrip(".")
    return f"state {state}" + (f", {result}" if result else "")


def make_album(name: str, photos: dict[str, int | None]) -> Album:
    """Put photos into an album, each blurred more or less."""
    album = Album(id=name, name=name, email="you@example.com")
    album.photos = [Photo(id=photo, name=photo) for photo in photos]
    db.session.add(album)
    db.session.commit()
    folder("photos").mkdir(exist_ok=True)
    noise = Image.effect_noise((400, 300), 90)
    for photo in album.photos:
        blur = photos[photo.id]
        if blur is None:
            photo.negative.write_text("not a photo")
        else:
            noise.filter(ImageFilter.GaussianBlur(blur)).save(photo.negative, "PNG")
    return album


def worker(answer: Path) -> str:
    """Return the command that starts a worker which is watched, and knows the answer's tasks."""
    return (
        f"PYTHONPATH={shlex.quote(str(answer.parent))} "
        f"celery -A exercises.checks.watched_lab:celery_app worker --include {answer.stem} "
        "--concurrency 2 --without-mingle --without-gossip"
    )
