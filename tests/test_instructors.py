"""What INSTRUCTORS.md names is there, and its plans add up."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.markdown import dead_links
from tools import slides
from workbench import chapter, exercises

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "INSTRUCTORS.md").read_text()
# Each plan, with what its heading says: "90 minutes (1:30)".
PLANS = GUIDE.partition("\n## Plans\n")[2].partition("\n## ")[0].split("\n### ")[1:]
each_plan = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.partition("\n")[0])


def rows(plan: str) -> list[str]:
    """Return the time at which each row of a plan's table begins."""
    return re.findall(r"^\| (\d+:\d\d) \|", plan, re.M)


def minutes(clock: str) -> int:
    """Return 90 for 1:30."""
    hours, _, rest = clock.partition(":")
    return 60 * int(hours) + int(rest)


def test_each_link_leads_to_a_file_and_to_a_heading_in_it() -> None:
    assert dead_links(ROOT / "INSTRUCTORS.md") == []


def test_each_target_of_make_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", GUIDE))
    assert {"run", "check"} <= named
    assert named <= targets


@pytest.mark.parametrize("found", chapter.chapters(), ids=lambda found: found.name)
def test_a_chapter_and_its_exercises_are_there_by_name(found: chapter.Chapter) -> None:
    rest = GUIDE.partition(f"\n### {found.name}\n")[2]
    part = re.split(r"^##", rest, maxsplit=1, flags=re.M)[0]
    assert part, f"{found.name} has a heading of its own"
    for exercise in exercises.find(found.name):
        assert f"[{exercise.stem}]({exercise.relative_to(ROOT)})" in part


@pytest.mark.parametrize("found", chapter.chapters(), ids=lambda found: found.name)
def test_slides_stand_by_their_numbers(found: chapter.Chapter) -> None:
    """Find the rows of the chapter in the table of slides: | 1.3, 1.4 | title | … |."""
    part = GUIDE.partition("\n## Slides\n")[2].partition("\n## ")[0]
    rows = re.findall(rf"^\| ({int(found.name[:2])}\.\d.*?) \| (.+?) \|", part, re.M)
    titles = slides.titles(ROOT / "notebooks" / f"{found.name}.ipynb")
    assert rows, "its slides are in the table"
    for numbers, title in rows:
        for number in re.findall(r"\.(\d+)", numbers):
            assert titles[int(number) - 1] == title, f"slide {number}"


@each_plan
def test_the_slides_that_a_plan_names_are_in_the_table(plan: str) -> None:
    table = GUIDE.partition("\n## Slides\n")[2]
    named = [
        number
        for numbers in re.findall(r"slides? ((?:\d\.\d+(?:, | to )?)+)", plan)
        for number in re.findall(r"\d\.\d+", numbers)
    ]
    assert named
    assert [number for number in named if not re.search(rf"^\| .*\b{number}\b", table, re.M)] == []


def test_there_are_plans() -> None:
    assert PLANS


@each_plan
def test_a_plan_begins_at_nought_goes_on_and_ends_in_time(plan: str) -> None:
    length = re.search(r"^.+ \((\d+:\d\d)\)\n", plan)
    times = [minutes(clock) for clock in rows(plan)]
    assert length, "its heading says how long it is"
    assert (times[0], times[-1]) == (0, minutes(length[1]))
    assert all(one < next_one for one, next_one in pairwise(times)), times


@each_plan
def test_what_a_plan_leaves_out_when_late_is_in_its_table(plan: str) -> None:
    named = re.findall(r"\d+:\d\d", plan.partition("**Late?**")[2])
    assert named, "it says what to leave out"
    assert set(named) <= set(rows(plan))
