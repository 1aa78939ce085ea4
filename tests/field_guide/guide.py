"""The field guide, read as data: its entries, and the words that each says are on the screen."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.proof.printed import Bindings, difference
from tests.support.markdown import slugs

PAGE = Path(__file__).parents[2] / "FIELD_GUIDE.md"
PREFIX = re.compile(r"^\[[^]]+: \w+/[^]]+\] ")  # of a line in a Celery log: time, level, process


@dataclass(frozen=True)
class Entry:
    """A heading, the words on the screen, and the text below them."""

    heading: str
    slug: str  # what its address ends with
    words: str
    text: str


def entries() -> dict[str, Entry]:
    """Return the entries by the names of their tests, in the order of the page."""
    found = {}
    for part in PAGE.read_text().split("\n### ")[1:]:
        heading, _, rest = part.partition("\n")
        block = re.match(r"\n```text\n(.*?)```\n", rest, re.S)
        assert block, f"after its heading, {heading} shows the words: ```text"
        (slug,) = slugs(f"# {heading}")
        text = re.split(r"^## ", rest[block.end() :], maxsplit=1, flags=re.M)[0]
        found["test_" + slug.replace("-", "_")] = Entry(heading, slug, block[1], text)
    return found


@dataclass
class Words:
    """The words of an entry, which a test must see on one screen and miss on another."""

    shown: str
    seen: bool = field(default=False, init=False)
    gone: bool = field(default=False, init=False)

    def are_in(self, screen: str) -> bool:
        """Tell whether some lines of a screen are these; a log's times and levels don't count."""
        lines = [PREFIX.sub("", line.strip()) for line in screen.splitlines()]
        count = len(self.shown.splitlines())
        found = any(
            difference(self.shown, "\n".join(lines[at : at + count]), Bindings()) is None
            for at in range(len(lines) - count + 1)
        )
        self.seen = self.seen or found
        return found

    def expect_in(self, screen: str) -> None:
        """Assert that a screen shows them."""
        assert self.are_in(screen), f"not to be seen:\n{self.shown}\nin:\n{screen}"

    def expect_gone_from(self, screen: str) -> None:
        """Assert that a screen, on which something else must be, doesn't show them."""
        assert screen.strip(), "an empty screen proves nothing"
        assert not self.are_in(screen), f"still to be seen:\n{self.shown}\nin:\n{screen}"
        self.gone = True
