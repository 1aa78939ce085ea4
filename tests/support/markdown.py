"""Links in our pages, as GitHub would follow them."""

import re
from pathlib import Path


def slugs(markdown: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a text."""
    found: list[str] = []
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.+)$", prose, re.M):
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
        found.append(re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-"))
    repeated = {f"{slug}-{number}" for slug in found for number in range(1, found.count(slug))}
    return {*found, *repeated}


def dead_links(page: Path) -> list[str]:
    """Return the links of a page, among those to our own files, that lead nowhere."""
    links = re.findall(r"\]\((?!\w+:)([^)#]*)#?([^)]*)\)", page.read_text())
    assert links, f"{page.name} has links"
    dead = []
    for path, anchor in links:
        target = page.parent / path if path else page
        there = target.exists() if not anchor else target.is_file()
        if not there or (anchor and anchor not in slugs(target.read_text())):
            dead.append(f"{path}#{anchor}")
    return dead
