"""Tables in lessons that say where a name is defined, such as `place` in `lab/orders.py`."""

import ast
import re
from pathlib import Path


def rows(lesson: str, header: str) -> list[list[str]]:
    """Return the cells of a table, which follows its header's line."""
    table = lesson.partition(header)[2].partition("\n\n")[0]
    return [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]


def prove(cell: str, folder: Path) -> None:
    """Raise AssertionError unless each name in a cell is defined in the files named after it."""
    quoted = re.findall(r"`([^`]+)`", cell)
    assert quoted, cell
    names: list[str] = []
    for word in quoted:
        if word.endswith(".py"):
            assert names, f"{word} comes after a name: {cell}"
            for name in names:
                assert name in defined(folder / word), f"{name} in {folder.name}/{word}"
        else:
            names = [word]


def defined(path: Path) -> set[str]:
    """Return what a module defines at its top."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found
