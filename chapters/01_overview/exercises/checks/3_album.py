"""Send an album while nobody works, then collect it from the chapter's own worker."""

import importlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from support import shelf
from workbench.chapter_run import ChapterRun

GOOD, BROKEN = "developed", UnidentifiedImageError.__name__
ALBUM = {
    "beach": GOOD,
    "notes": BROKEN,
    "harbour": GOOD,
    "never brought": BROKEN,
    "evening": GOOD,
}


def check(chapter_run: ChapterRun, answer: Path) -> None:
    """Have an album developed that has two broken photos among three good ones."""
    album = importlib.import_module(answer.stem)
    good = [photo_id for photo_id, fate in ALBUM.items() if fate == GOOD]
    shelf.photo("notes").parent.mkdir(parents=True, exist_ok=True)
    shelf.photo("notes").write_text("Films, batteries, sun cream")
    for photo_id in good:
        Image.linear_gradient("L").resize((64, 48)).save(shelf.photo(photo_id), "PNG")

    task_ids = album.send_album(
        list(ALBUM)
    )  # there is no worker yet: whoever waits here, hangs
    assert len(set(task_ids)) == len(ALBUM), (
        f"send_album() returns the ids of {len(ALBUM)} tasks for {len(ALBUM)} photos. "
        f"Yours returns {task_ids!r}."
    )

    chapter_run.services[
        "worker"
    ].launch()  # and not waited for: that is what collect() must do
    try:
        found = album.collect(task_ids)
    except UnidentifiedImageError as error:
        raise AssertionError(
            f"collect() tells of a broken photo, and goes on. Yours raises its {BROKEN}."
        ) from error
    expected = list(ALBUM.values())
    told = [found.get(task_id) for task_id in task_ids]
    assert told == expected, (
        f"collect() tells what became of each task, here {expected}. Yours tells {told}."
    )
    assert all((shelf.prints(photo_id) / "large.jpg").exists() for photo_id in good), (
        "When collect() returns, every good photo has its prints."
    )
