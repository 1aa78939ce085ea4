"""GLOSSARY.md: sorted, in two languages, and each term linked from where it is first used."""

import re
from pathlib import Path

import pytest

from tests.support.markdown import dead_links, slugs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "GLOSSARY.md"
LESSONS = sorted(ROOT.glob("chapters/*/README.md"))
# In the order in which they are read; the last two use words that no lesson needs.
PAGES = [*LESSONS, ROOT / "README.md", ROOT / "FIELD_GUIDE.md"]
# Each term, with the text below its heading.
TERMS = dict(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:])
ENTRY = re.compile(r"\n\*\*(.+)\.\*\*\s(.+)\sFirst\sin\s\[.+\]\(.+\)\.\n*", re.S)
each_term = pytest.mark.parametrize(("term", "text"), TERMS.items(), ids=list(TERMS))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.parent.name)


def anchors(page: Path) -> list[str]:
    """Return the anchors in the glossary that a page links."""
    return re.findall(r"\]\((?:\.\./\.\./)?GLOSSARY\.md#([\w-]+)\)", page.read_text())


def test_terms_are_sorted() -> None:
    assert list(TERMS) == sorted(TERMS, key=str.casefold)


@each_term
def test_a_term_has_its_chinese_word_and_one_sentence(term: str, text: str) -> None:
    found = ENTRY.fullmatch(text)
    assert found, "**Chinese.** One sentence. First in [chapter 1](...)."
    chinese, sentence = found.groups()
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert re.search(r"[A-Za-z]", term)
    assert sentence.endswith(".")
    assert not re.search(r"[.!?]\s", sentence), "one sentence"


@each_term
def test_a_term_names_the_first_page_that_links_it(term: str, text: str) -> None:
    (anchor,) = slugs(f"# {term}")
    linked = [page for page in PAGES if anchor in anchors(page)]
    assert linked, f"a page links GLOSSARY.md#{anchor}"
    (named,) = re.findall(r"First\sin\s\[[^]]+\]\(([^)]+)\)", text)
    assert ROOT / named == linked[0]


@each_lesson
def test_what_a_lesson_links_is_in_the_glossary(lesson: Path) -> None:
    assert anchors(lesson), "a lesson links its terms"
    assert set(anchors(lesson)) <= slugs(PAGE.read_text())


def test_each_link_of_the_glossary_leads_somewhere() -> None:
    assert dead_links(PAGE) == []
