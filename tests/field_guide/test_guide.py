"""The form of FIELD_GUIDE.md: sorted, complete, and with a test for each entry."""

import ast
import re
from pathlib import Path

import pytest

from tests.field_guide.guide import PAGE, Entry, entries
from tests.support.markdown import dead_links

each_entry = pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.slug)


def test_entries_are_sorted_by_the_words_on_the_screen() -> None:
    headings = [re.sub(r"[^\w ]", "", entry.heading).casefold() for entry in entries().values()]
    assert headings == sorted(headings)


def test_each_entry_has_a_test_and_each_test_an_entry() -> None:
    tested = [
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        if path != Path(__file__)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert sorted(tested) == sorted(entries())


@each_entry
def test_an_entry_says_why_what_mends_it_and_where_to_read_on(entry: Entry) -> None:
    (span,) = re.findall(r"`([^`]+)`", entry.heading)[:1] or [""]
    assert span, "its heading quotes the screen"
    assert span in entry.words
    parts = re.findall(r"^\*\*(\w+):\*\*", entry.text, re.M)
    assert parts == ["Why", "Mend", "Read"]
    assert re.search(r"\*\*Read:\*\* .*\]\(chapters/", entry.text, re.S)


def test_each_link_leads_somewhere() -> None:
    assert dead_links(PAGE) == []
