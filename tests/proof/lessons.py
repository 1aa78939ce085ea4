"""Every code block of every README is an example that must hold, and whose proof must bite."""

import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from tests.proof import changes, excerpt
from tests.proof.printed import ANY, Bindings, difference
from tests.proof.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
WORD = re.compile(r"[A-Za-z_]{3,}")


def evaluate(example: Example) -> None:
    """Prove a block: commands are typed, changes made out, all else must be a file's excerpt.

    A block marked `yours` is code for the reader's own app: its file is among the chapter's tests,
    in a folder of that name, and a test runs it.
    """
    language, _, how = example.region.lexemes["info"].strip().partition(" ")
    block = str(example.parsed)
    if language == "console":
        terminal = example.namespace["terminal"]
        for step in terminal.follow(block, stays=how == "stays"):
            bites(step.shown, partial(same, printed=step.printed, bindings=terminal.bindings))
    elif language == "diff":
        folder = Path(example.path).parent
        changes.prove(block, folder)
        bites(block, lambda changed: holds(changes.prove, changed, folder))
    else:
        folder = Path(example.path).parent
        if how == "yours":
            folder = ROOT / "tests/chapters" / folder.name / "yours"
        excerpt.prove(block, folder)
        name, _, rest = block.partition("\n")
        bites(rest, lambda code: holds(excerpt.prove, f"{name}\n{code}", folder))


def same(shown: str, printed: str, bindings: Bindings) -> bool:
    """Tell whether what is shown is what was printed."""
    return difference(shown, printed, bindings) is None


def holds(prove: Callable[[str, Path], None], block: str, folder: Path) -> bool:
    """Tell whether a block can be proven."""
    try:
        prove(block, folder)
    except (AssertionError, SyntaxError):
        return False
    return True


def bites(text: str, still_holds: Callable[[str], bool]) -> None:
    """Change one word after the other, and expect each change to be noticed."""
    free = [found.span() for found in ANY.finditer(text)]
    for word in WORD.finditer(text):
        if any(begin <= word.start() < end for begin, end in free):
            continue  # the part of a line that may differ
        changed = f"{text[: word.start()]}{word[0][::-1]}x{text[word.end() :]}"
        assert not still_holds(changed), f"nobody notices that {word[0]!r} is changed in:\n{text}"


def set_up(namespace: dict[str, Any]) -> None:
    """Give a lesson a terminal, and a place for what its commands write."""
    namespace["var"] = tempfile.TemporaryDirectory(prefix="lesson-")
    namespace["terminal"] = Terminal(ROOT, Path(namespace["var"].name))


def tear_down(namespace: dict[str, Any]) -> None:
    """Leave nothing running, and no file."""
    namespace["terminal"].close()
    namespace["var"].cleanup()


def blocks(document: Document) -> Iterator[Region]:
    """Find the fenced blocks, of any language and none."""
    for region in RawFencedCodeBlockLexer(re.compile(r"(?P<info>[^\n]*)\n"))(document):
        region.parsed, region.evaluator = region.lexemes["source"], evaluate
        yield region


lessons = Sybil(
    parsers=[blocks],
    path=str(ROOT),
    patterns=["README.md", "chapters/*/README.md"],
    excludes=["var/*"],
    setup=set_up,
    teardown=tear_down,
)
