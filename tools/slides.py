"""Slides: make a page of each notebook that needs no network, from the outputs stored in it.

They are no lecture: they are the notebook's plots and questions, to show next to the live lab.
"""

import re
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter

from workbench import chapter, notebook
from workbench.errors import UserError

PAGE = Path(__file__).with_name("slides_page")  # our template, style and script
REVEAL = Path(__file__).parents[1] / "vendor/reveal"
ABOUT = (
    "Plots and questions from this chapter's notebook, to show next to the live lab. "
    "The lesson has the code and the commands."
)
KINDS = ("slide", "subslide", "fragment", "notes", "-")  # what JupyterLab calls slide types


def find(words: tuple[str, ...]) -> list[Path]:
    """Return the notebooks of the chapters named, such as 01 or 01_overview; all without a name."""
    return [notebook.of(word) for word in words] or sorted(chapter.ROOT.glob("notebooks/*.ipynb"))


def write(notebooks: list[Path], folder: Path) -> list[Path]:
    """Write a page of slides for each notebook into a folder, and return the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for path in notebooks:
        pages.append(folder / f"{path.stem}.html")
        pages[-1].write_text(html(path), encoding="utf-8")
    return pages


def html(path: Path) -> str:
    """Return the slides of a notebook: the cells that have a slide type, and no others."""
    try:
        read = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UserError(f"There is no notebook {path}.") from None
    except nbformat.reader.NotJSONError:
        raise UserError(f"{path} is no notebook: its text isn't JSON.") from None
    code = [cell for cell in read.cells if cell.cell_type == "code" and cell.source]
    if code and not any(cell.outputs for cell in code):
        raise UserError(
            f"{path.name} has no outputs to show: open it with 'make notebook', run all cells, "
            "and save it."
        )
    read.cells = [cell for cell in read.cells if slide_type(cell) in KINDS]
    if all(slide_type(cell) == "notes" for cell in read.cells):
        raise UserError(
            f"{path.name} has no slides: give its cells a slide type (in JupyterLab: the property "
            "inspector, top right)."
        )
    read.metadata.setdefault("title", title(read) or path.stem)
    introduce(read)
    for cell, below in zip(read.cells, [*read.cells[1:], None], strict=True):
        if has_picture(cell):
            cell.metadata["alt"] = description(below)
            # It comes without the code that draws it: there's room for one.
            cell.metadata["transient"] = {"remove_source": True}
    exporter = SlidesExporter(
        extra_template_paths=[str(PAGE), str(REVEAL)],
        template_file="slides.html.j2",
        embed_images=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    about = {"metadata": {"name": path.stem, "path": str(path.parent)}}
    page, _ = exporter.from_notebook_node(read, about)
    return str(page)


def introduce(read: nbformat.NotebookNode) -> None:
    """Have the first slide say what slides are: the notebook's own words are for its reader."""
    first = read.cells[0]
    if first.cell_type == "markdown" and first.source.startswith("# "):
        first.source = f"# {title(read)}\n\n{ABOUT}"


def slide_type(cell: nbformat.NotebookNode) -> str:
    """Return a cell's slide type; a cell that nobody gave one is skipped."""
    return str(cell.metadata.get("slideshow", {}).get("slide_type", "skip"))


def has_picture(cell: nbformat.NotebookNode) -> bool:
    """Tell whether a cell has put out a picture."""
    kinds = (kind for output in cell.get("outputs", []) for kind in output.get("data", {}))
    return any(kind.startswith("image/") for kind in kinds)


def description(below: nbformat.NotebookNode | None) -> str:
    """Return what a picture shows, for who can't see it: the first sentence of the cell below."""
    words = below.source.removeprefix("**What you see.** ") if below else ""
    first = re.split(r"(?<=[.?!])\s", words)[0]
    return " ".join(re.sub("[*`]", "", first).split()) or "A picture"


def title(read: nbformat.NotebookNode) -> str:
    """Return the first heading."""
    texts = (cell.source for cell in read.cells if cell.cell_type == "markdown")
    lines = (line for text in texts for line in text.splitlines())
    return next((line[2:].strip() for line in lines if line.startswith("# ")), "")


def titles(path: Path) -> list[str]:
    """Return the title of each slide in order: without a heading it goes on with the last one."""
    found: list[str] = []
    heading = ""
    for cell in nbformat.read(path, as_version=4).cells:
        if slide_type(cell) in ("slide", "subslide"):
            headings = re.findall(r"^#+ (.+)$", cell.source, re.M)
            is_text = cell.cell_type == "markdown"
            heading = headings[0] if is_text and headings else heading
            found.append(heading)
    return found
