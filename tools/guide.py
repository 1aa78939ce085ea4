"""The field guide as one page that works offline: type words, and see the entries that have them.

Its text is FIELD_GUIDE.md, and nothing else.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import mistune
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from mistune.renderers.html import HTMLRenderer

from workbench import chapter

TEXT = chapter.ROOT / "FIELD_GUIDE.md"
PAGE = Path(__file__).with_name("guide_page")  # our template, style and script


@dataclass(frozen=True)
class Entry:
    """One mistake: its heading and its text, as HTML."""

    slug: str  # what its address ends with
    heading: Markup
    text: Markup


def write(folder: Path) -> Path:
    """Write the page into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "guide.html"
    to_root = os.path.relpath(chapter.ROOT, folder)
    page.write_text(html(TEXT.read_text(encoding="utf-8"), f"{to_root}/"), encoding="utf-8")
    return page


def html(text: str, to_root: str) -> str:
    """Return the page; links to our files lead from it to the root of the repository."""
    index, entries = parts(text, to_root)
    loader = FileSystemLoader(PAGE)
    template = Environment(loader=loader, autoescape=select_autoescape(["j2"])).get_template(
        "guide.html.j2"
    )
    return template.render(
        index=index,
        entries=entries,
        style=Markup((PAGE / "guide.css").read_text()),
        script=Markup((PAGE / "guide.js").read_text()),
    )


def parts(text: str, to_root: str) -> tuple[Markup, list[Entry]]:
    """Return the index of the guide and its entries."""
    before, *found = text.split("\n### ")
    index = re.split(r"^## .*$", before, flags=re.M)[1]
    render = mistune.create_markdown(renderer=Renderer(to_root), plugins=["table"])
    entries = []
    for part in found:
        heading, _, rest = part.partition("\n")
        # No paragraph about it: what stands in a heading is a line.
        line = Markup(str(render(heading)).strip().removeprefix("<p>").removesuffix("</p>"))
        entries.append(Entry(slug(heading), line, Markup(render(rest))))
    return Markup(render(index)), entries


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class Renderer(HTMLRenderer):
    """HTML of Markdown, whose links to our files start at the root of the repository."""

    def __init__(self, to_root: str) -> None:
        super().__init__(escape=True)
        self.to_root = to_root

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Return a link."""
        elsewhere = url.startswith("#") or "://" in url
        return super().link(text, url if elsewhere else self.to_root + url, title)
