"""Send an album while no worker runs, then collect it from the chapter's own worker."""

import importlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from support import storage
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
    save_album()
    # No worker runs yet: a send_album() that waits would wait for ever.
    task_ids = album.send_album(list(ALBUM))
    different = len(set(task_ids or []))
    assert different == len(ALBUM), (
        f"Expected: send_album() returns {len(ALBUM)} ids for {len(ALBUM)} photos. "
        f"Yours returns {different} different ids."
    )

    # Not waited for: collect() must do that.
    chapter_run.services["worker"].launch()
    try:
        found = album.collect(task_ids)
    except UnidentifiedImageError as error:
        raise AssertionError(
            "Expected: collect() notes the error of a broken photo, and goes on. "
            f"Yours raises this {BROKEN}. Look at the arguments of get()."
        ) from error
    told = ", ".join(str((found or {}).get(task_id)) for task_id in task_ids)
    expected = ", ".join(ALBUM.values())
    assert told == expected, (
        f"Expected: {expected}, from collect(). Yours says: {told}."
    )
    good = [name for name, fate in ALBUM.items() if fate == GOOD]
    missing = [name for name in good if not storage.is_developed(name)]
    assert not missing, (
        "Expected: when collect() returns, each good photo has its prints. "
        f"These have none: {', '.join(missing)}."
    )


def save_album() -> None:
    """Save three photos, and a file that isn't one; the fifth was never brought."""
    storage.PHOTOS.mkdir(parents=True, exist_ok=True)
    storage.photo_path("notes").write_text("Films, batteries, sun cream")
    for photo_id, fate in ALBUM.items():
        if fate == GOOD:
            photo = Image.linear_gradient("L").resize((64, 48))
            photo.save(storage.photo_path(photo_id), "PNG")
