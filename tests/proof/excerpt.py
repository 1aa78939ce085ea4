"""Prove that a block of code in a lesson is an excerpt of a file.

The block's first line names the file, in a comment. Its other lines are in the file, in this
order and to the letter. A line `...` stands for whole statements, at its own indentation.
"""

import ast
import re
import textwrap
from pathlib import Path


def prove(block: str, folder: Path) -> None:
    """Raise AssertionError if the block isn't an excerpt of the file it names."""
    first, _, rest = block.partition("\n")
    named = re.fullmatch(r"# (\S+)", first)
    assert named, f"the first line names no file, as in '# app.py': {first!r}"
    path = folder / named[1]
    assert path.is_file(), f"there is no file {named[1]}"
    wanted = rest.strip("\n").splitlines()
    assert wanted, "the excerpt is empty"
    lines = path.read_text().splitlines()
    gaps = _statements(path) if path.suffix == ".py" else []
    found = any(_stands_at(start, wanted, lines, gaps) for start in range(len(lines)))
    assert found, f"this isn't in {named[1]}:\n{textwrap.indent(rest, '    ')}"


def _stands_at(at: int, wanted: list[str], lines: list[str], gaps: list[tuple[int, int]]) -> bool:
    """Tell whether the wanted lines are in the file from line number `at` (from 0) on."""
    if not wanted:
        return True
    if wanted[0].strip() == "...":
        indent = wanted[0].index("...")
        ends = [end for begin, end in _runs(at, indent, lines, gaps) if begin]
        return any(_stands_at(end, wanted[1:], lines, gaps) for end in ends)
    if at == len(lines) or lines[at] != wanted[0]:
        return False
    return _stands_at(at + 1, wanted[1:], lines, gaps)


def _runs(
    at: int, indent: int, lines: list[str], gaps: list[tuple[int, int]]
) -> list[tuple[bool, int]]:
    """Return where a run of one or more whole statements that begins here may end."""
    found: list[tuple[bool, int]] = []
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1  # blank lines and comments go with the statements next to them
            if found:
                found.append((True, at))
            continue
        ends = [end for begin, end in gaps if begin == at]
        if not ends or len(lines[at]) - len(lines[at].lstrip()) != indent:
            break
        at = max(ends)
        found.append((True, at))
    return found


def _statements(path: Path) -> list[tuple[int, int]]:
    """Return the first line of each statement, and the line after its last, counted from 0."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.stmt):
            decorators = getattr(node, "decorator_list", [])
            begin = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            found.append((begin - 1, node.end_lineno or node.lineno))
    return found
