"""The picture: what the X-ray's page shows of each task, and the numbers that it states."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

UNDERWAY = ["sent", "waiting", "left-behind", "held", "scheduled", "retrying", "running"]
ENDED = ["done", "failed", "revoked", "expired", "lost"]
STATES = UNDERWAY + ENDED
READ = Path(__file__).with_name("read_page.js").read_text()


@dataclass(frozen=True)
class Card:
    """What is shown of one task."""

    id: str
    state: str
    guessed: bool
    brief: str | None  # what stands at its right; None in a stack
    column: str
    owner: str  # the queue, or the worker
    process: str  # as in "process 1234", with a question mark if that isn't known yet
    list: str  # of a worker's: "held" or "later"

    def __str__(self) -> str:
        where = " ".join(filter(None, [self.column, self.owner, self.process, self.list]))
        said = ", ".join(filter(None, [self.brief, "guessed" if self.guessed else ""]))
        return f"card {self.state} in {where} ({said})"


@dataclass(frozen=True)
class Picture:
    """What the page shows at one moment."""

    cards: dict[str, Card]
    twice: set[str]  # tasks that have more than one card
    drawn: int  # cards, with those that stacks stand for
    banner: str
    summary: dict[str, int]
    tally: dict[str, int]
    depth: dict[str, int]  # by queue
    held: dict[str, int]
    reserved: dict[str, int]  # by worker
    paused: set[str]
    processes: dict[str, list[int]]


def read(page: Page) -> Picture:
    """Read what the page shows now."""
    found: dict[str, Any] = page.evaluate(READ, STATES)
    ids = [card["id"] for card in found["cards"]]
    cards = {card["id"]: Card(**card) for card in found["cards"]}
    return Picture(
        cards=cards,
        twice={task for task, count in Counter(ids).items() if count > 1},
        drawn=found["drawn"],
        banner=found["banner"],
        summary=counted(found["summary"]),
        tally=found["tally"],
        depth=found["depth"],
        held=found["held"],
        reserved=found["reserved"],
        paused=set(found["paused"]),
        processes={name: sorted(pids) for name, pids in found["processes"].items()},
    )


def counted(summary: str) -> dict[str, int]:
    """Return the numbers of a summary such as "2 waiting, 1 left behind"."""
    words = [each.split(" ", 1) for each in summary.partition(" · ")[0].split(", ") if each]
    return {state: int(count.replace(",", "")) for count, state in words}
