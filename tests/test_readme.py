"""README.md: its map has every chapter, and what the article promises leads to one of them."""

import re
from pathlib import Path

import pytest

from tests.support.markdown import dead_links
from workbench import chapter

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "README.md").read_text()
THERE = {found.name[:2]: found for found in chapter.chapters()}
each_chapter = pytest.mark.parametrize("found", THERE.values(), ids=lambda found: found.name)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    part = PAGE.partition(f"\n## {heading}")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (.+) \|$", part, re.M)
    return [line.split(" | ") for line in lines[2:]]


MAP = rows("The chapters")
PROMISES = rows("What the article promises")
each_promise = pytest.mark.parametrize("cells", PROMISES, ids=[cells[0] for cells in PROMISES])


def test_each_link_leads_somewhere() -> None:
    assert dead_links(ROOT / "README.md") == []


@each_chapter
def test_a_chapter_is_on_the_map_with_its_lesson_and_its_notebook(found: chapter.Chapter) -> None:
    (row,) = [cells for cells in MAP if f"(chapters/{found.name}/README.md)" in cells[0]]
    assert f"(notebooks/{found.name}.ipynb)" in row[-1]
    assert "coming" not in " ".join(row)


def test_the_map_has_seven_chapters_and_says_which_are_coming() -> None:
    numbers = {re.findall(r"\d\d", cells[0])[0]: "*(coming)*" in cells[0] for cells in MAP}
    assert numbers == {f"0{number}": f"0{number}" not in THERE for number in range(1, 8)}


@each_promise
def test_a_promise_leads_to_chapters_that_are_there_or_are_said_to_come(cells: list[str]) -> None:
    linked = re.findall(r"\[(\d)\]\(chapters/(\d\d)_", cells[-1])
    assert all(f"0{shown}" == number for shown, number in linked)
    assert linked or "*(coming)*" in cells[-1]


def test_each_target_of_make_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", PAGE)) <= targets
