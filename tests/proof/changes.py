"""Prove that a block of changes in a lesson is what has changed from one file to another."""

import difflib
from pathlib import Path


def prove(block: str, folder: Path) -> None:
    """Raise AssertionError if the block isn't the whole unified diff of the two files it names."""
    names = [line[4:] for line in block.splitlines()[:2]]
    assert [line[:4] for line in block.splitlines()[:2]] == ["--- ", "+++ "], (
        "a diff begins with '--- ' and '+++ ' and the files' names"
    )
    missing = [name for name in names if not (folder / name).is_file()]
    assert not missing, f"there is no file {missing[0]}"
    (old, old_lines), (new, new_lines) = (
        (name, (folder / name).read_text().splitlines()) for name in names
    )
    lines = difflib.unified_diff(old_lines, new_lines, old, new, n=1, lineterm="")
    changes = [line.rstrip() for line in lines]  # editors take spaces from the ends of lines
    assert block.splitlines() == changes, "the changes are:\n" + "\n".join(changes)
