"""Slides of notebooks: pages without network, in which nothing is lost and nothing sticks out."""

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize

from tests.support.browser import NARROW, WIDE, chromium, expect_no_horizontal_scroll, page
from tools import slides
from workbench.errors import UserError

pytestmark = pytest.mark.slow  # a tool of its own: no lesson needs it

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
each_size = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])

# What the slide in front shows. A table may be wider than it: a table scrolls by itself.
LOOK = """() => {
  const slide = document.querySelector(".slides > .present > .present");
  const box = slide.getBoundingClientRect();
  const parts = [...slide.querySelectorAll("*")].filter((part) => !part.closest(".notes"));
  const images = parts.filter((part) => part.tagName === "IMG");
  const outside = (part) => {
    const { left, right, width } = part.getBoundingClientRect();
    return width && (left < box.left - 1 || right > box.right + 1) && !part.closest("table");
  };
  return {
    number: [...document.querySelectorAll(".slides > section > section")].indexOf(slide),
    last: Reveal.isLastSlide() && !Reveal.availableFragments().next,
    fragments_left: slide.querySelectorAll(".fragment:not(.visible)").length,
    visible: slide.checkVisibility({ opacityProperty: true, visibilityProperty: true }),
    empty: !slide.innerText.trim() && !images.length,
    inside: box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight,
    outside: parts.filter(outside).map((part) => part.outerHTML.slice(0, 100)),
    large: images.filter((image) => image.height > box.height || !image.naturalWidth).length,
    unseen: Math.max(0, slide.scrollHeight - slide.clientHeight - slide.scrollTop - 1),
    tall: slide.scrollHeight > slide.clientHeight,
    wide: slide.scrollWidth > slide.clientWidth,
    scrolls: getComputedStyle(slide).overflowY === "auto",
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def marked(kind: str) -> dict[str, object]:
    return {"slideshow": {"slide_type": kind}}


def saved(folder: Path, *cells: nbformat.NotebookNode) -> Path:
    path = folder / "07_trial.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def printed(text: str) -> nbformat.NotebookNode:
    output: nbformat.NotebookNode = new_output("stream", name="stdout", text=text)
    return output


def drawn(width: int, height: int) -> nbformat.NotebookNode:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(file, "PNG")
    picture = base64.b64encode(file.getvalue()).decode()
    output: nbformat.NotebookNode = new_output("display_data", data={"image/png": picture})
    return output


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """Save a notebook with a cell of each kind, as if it had been run."""
    plot = drawn(800, 400)
    return saved(
        tmp_path,
        new_markdown_cell(
            "# Who waits?\n\nRun the cells from top to bottom.", metadata=marked("slide")
        ),
        new_markdown_cell("Tell them who waits.", metadata=marked("notes")),
        new_markdown_cell("Words without a mark"),
        new_code_cell("unmarked = 1", outputs=[printed("Output without a mark")]),
        new_markdown_cell("## A plot", metadata=marked("slide")),
        new_code_cell("plt.show()", outputs=[plot], metadata=marked("-")),
        new_markdown_cell(
            '**What you see.** Each `mark` is a\nclient. "All" wait.', metadata=marked("fragment")
        ),
        new_code_cell("words = " + "'long' + " * 60, metadata=marked("slide")),
        new_code_cell(
            "tall()", outputs=[printed("line\n" * 90 + "end")], metadata=marked("subslide")
        ),
        new_markdown_cell("Left out by name", metadata=marked("skip")),
        new_markdown_cell("The " + "very" * 60 + " end", metadata=marked("slide")),
    )


def test_marked_cells_become_slides_and_others_are_left_out(trial: Path, tmp_path: Path) -> None:
    (made,) = slides.write([trial], tmp_path / "slides")
    assert made == tmp_path / "slides/07_trial.html"
    text = made.read_text(encoding="utf-8")
    assert '<html lang="en">' in text
    assert "<title>Who waits?</title>" in text
    assert text.count("<section") == 4 + 5, "four slides, in them five with those below"
    assert "to show next to the live lab" in text, "the first slide says what slides are"
    assert '<div class="fragment"' in text
    assert '<aside class="notes">' in text
    assert re.search('<img alt="Each mark is a client."[^>]* src="data:image/png;base64,', text)
    for left_out in (
        "without a mark",
        "unmarked",
        "Run the cells",
        "Left out by name",
        "plt.show",
        "In&nbsp;[",
    ):
        assert left_out not in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text), (
        "it loads nothing from elsewhere"
    )


def test_a_slide_without_a_heading_goes_on_with_the_last_one(trial: Path) -> None:
    assert slides.titles(trial) == ["Who waits?", "A plot", "A plot", "A plot", "A plot"]


def walk(opened: Page, key: str) -> list[dict[str, object]]:
    """Press a key until the last slide has been shown to its end; return what was seen."""
    seen: list[dict[str, object]] = [opened.evaluate(LOOK)]
    while not (seen[-1]["last"] and (key != "Space" or not seen[-1]["unseen"])):
        opened.keyboard.press(key)
        seen.append(opened.evaluate(LOOK))
        assert len(seen) < 1000, f"{key} never leads to the end"
    return seen


def prove(browser: Browser, made: Path, size: ViewportSize) -> str:
    """Page through slides on a machine without network; return all that they say."""
    with page(browser, "about:blank", size, reduced_motion="reduce", offline=True) as opened:
        asked: list[str] = []
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(made.as_uri())
        assert opened.title()
        total = opened.locator(".slides > section > section").count()
        for key in ("ArrowRight", "Space"):
            steps = walk(opened, key)
            assert {step["number"] for step in steps} == set(range(total)), "each slide is shown"
            for step in steps:
                assert step["visible"], step
                assert step["inside"], step
                assert not step["empty"], step
                assert not step["outside"], step
                assert not step["large"], step
                assert not step["wide"], step
                assert step["scrolls"] or not step["tall"], step
            expect_no_horizontal_scroll(opened)
            opened.keyboard.press("Home")
        for number in range(total):  # Space has shown each to its end
            shown = [step for step in steps if step["number"] == number]
            assert not shown[-1]["unseen"], shown[-1]
            assert not shown[-1]["fragments_left"], shown[-1]
        assert [url for url in asked if not url.startswith("data:")] == [made.as_uri()]
        return opened.locator(".slides").text_content() or ""


@each_size
def test_a_browser_shows_all_of_each_slide(
    trial: Path, tmp_path: Path, browser: Browser, size: ViewportSize
) -> None:
    (made,) = slides.write([trial], tmp_path)
    assert "What you see" in prove(browser, made, size)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_plot_is_described_to_who_cant_see_it(notebook: Path, tmp_path: Path) -> None:
    (made,) = slides.write([notebook], tmp_path)
    found = re.findall(r'<img alt="([^"]*)"[^>]* src="data:', made.read_text(encoding="utf-8"))
    assert len(set(found)) == len(found) >= 1
    assert all(len(words) > 20 and words.endswith(".") for words in found), found


def test_a_full_slide_becomes_smaller_before_it_scrolls(tmp_path: Path, browser: Browser) -> None:
    lines = "\n".join(f"- point {number}" for number in range(15))
    path = saved(tmp_path, new_markdown_cell(lines, metadata=marked("slide")))
    (made,) = slides.write([path], tmp_path)
    with page(browser, made.as_uri(), WIDE) as opened:
        assert not opened.evaluate(LOOK)["tall"]
        opened.set_viewport_size(NARROW)
        assert opened.evaluate("getComputedStyle(document.querySelector('li')).fontSize") == "18px"


def test_a_plot_that_is_not_wide_has_its_text_at_the_right(
    tmp_path: Path, browser: Browser
) -> None:
    plot = new_code_cell("plt.show()", outputs=[drawn(800, 600)], metadata=marked("slide"))
    text = new_markdown_cell("**What you see.** Marks.", metadata=marked("-"))
    (made,) = slides.write([saved(tmp_path, plot, text)], tmp_path)
    with page(browser, made.as_uri(), WIDE) as opened:
        image, words = opened.locator("img").bounding_box(), opened.locator("strong").bounding_box()
        assert image
        assert words
        assert image["width"] > 0.5 * WIDE["width"]
        assert words["x"] > image["x"] + image["width"]


def test_slides_hide_notes(trial: Path, tmp_path: Path, browser: Browser) -> None:
    (made,) = slides.write([trial], tmp_path)
    with page(browser, made.as_uri(), WIDE) as opened:
        assert not opened.get_by_text("Tell them who waits.").is_visible()


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools", "slides", *words],
        env=os.environ | {"WORKBENCH_ROOT": str(folder), "WORKBENCH_VAR": str(folder / "var")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_each_page_and_says_which_chapters_there_are(
    trial: Path, tmp_path: Path
) -> None:
    (tmp_path / "chapters/07_trial").mkdir(parents=True)
    (tmp_path / "chapters/07_trial/Procfile").touch()
    (tmp_path / "notebooks").mkdir()
    trial.rename(tmp_path / "notebooks/07_trial.ipynb")
    made = tmp_path / "var/slides/07_trial.html"
    assert command(tmp_path).stdout == f"{made}\n"
    assert "Who waits?" in made.read_text(encoding="utf-8")
    done = command(tmp_path, "7", "08")
    assert done.returncode == 2
    assert done.stderr == "There is no chapter '08': choose one of 07_trial.\n"


def test_a_notebook_that_was_never_run_says_what_to_do(tmp_path: Path) -> None:
    path = saved(tmp_path, new_code_cell("1 + 1", metadata=marked("slide")))
    with pytest.raises(UserError, match=r"07_trial\.ipynb has no outputs to show: .*run all cells"):
        slides.write([path], tmp_path)


def test_a_notebook_without_slides_says_what_to_do(tmp_path: Path) -> None:
    path = saved(
        tmp_path, new_markdown_cell("Words"), new_markdown_cell("", metadata=marked("notes"))
    )
    with pytest.raises(UserError, match=r"07_trial\.ipynb has no slides: give its cells"):
        slides.write([path], tmp_path)


def test_what_is_no_notebook_says_so(tmp_path: Path) -> None:
    (tmp_path / "08_odd.ipynb").write_text("no notebook")
    with pytest.raises(UserError, match="is no notebook"):
        slides.write([tmp_path / "08_odd.ipynb"], tmp_path)
    with pytest.raises(UserError, match="There is no notebook"):
        slides.write([tmp_path / "09_gone.ipynb"], tmp_path)


def phrases(cells: list[nbformat.NotebookNode]) -> set[str]:
    """Return the longer runs of plain words and code in cells."""
    return {run.strip() for cell in cells for run in re.findall(r"[\w ,.=()]{25,}", cell.source)}


@each_size
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_slides_of_our_notebooks(
    notebook: Path, size: ViewportSize, tmp_path: Path, browser: Browser
) -> None:
    (made,) = slides.write([notebook], tmp_path)
    shown = prove(browser, made, size)
    cells = nbformat.read(notebook, as_version=4).cells
    with_mark = [cell for cell in cells if "slideshow" in cell.metadata]
    without = [cell for cell in cells if "slideshow" not in cell.metadata]
    for phrase in phrases(without) - phrases(with_mark):
        assert phrase not in shown
