"""Files that were never finished: a killed process leaves them."""

import time
from contextlib import suppress
from pathlib import Path


def delete_unfinished(folder: Path, older_than: float) -> list[int]:
    """Delete those that are older than so many seconds; return their sizes."""
    sizes = []
    for path in list(folder.rglob("*.part")):
        with suppress(
            FileNotFoundError
        ):  # it was finished, or another clean-up took it
            file = path.stat()
            if time.time() - file.st_mtime > older_than:
                path.unlink()
                sizes.append(file.st_size)
    return sizes
