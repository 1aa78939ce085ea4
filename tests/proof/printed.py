"""Compare what a lesson says a command prints with what it printed.

`...` stands for a part of a line. Times and dates match others of their kind, seconds others of
their magnitude. An id or a port that the lesson shows twice must also have been the same twice.
"""

import re
from dataclasses import dataclass, field

PATTERNS = {
    "id": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "date": r"\b\w{3}, \d\d \w{3} \d{4}\b|\b\d{4}-\d\d-\d\d\b",
    "time": r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b",
    "port": r"(?<=127\.0\.0\.1:)\d+\b|(?<=localhost:)\d+\b",
    "seconds": r"(?<=\"seconds\":)\d+\.\d+\b|\b\d+\.\d+(?= s\b)|\b\d+\.\d+(?=s\b)",
}
ANY = re.compile("|".join(f"(?P<{name}>{regex})" for name, regex in PATTERNS.items()) + r"|\.\.\.")


@dataclass
class Bindings:
    """The ids and ports of the lesson, and those they stood for this time."""

    ids: dict[str, str] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """Replace the lesson's ids by those of this time."""
        for shown, real in self.ids.items():
            text = re.sub(rf"(?<![0-9]){shown}\b", real, text)
        return text


def difference(shown: str, printed: str, bindings: Bindings) -> str | None:
    """Return None if what is shown is what was printed, else both; binds the ids it meets."""
    shown_lines, printed_lines = shown.splitlines(), printed.splitlines()
    bound = dict(bindings.ids)
    if any(line.strip() == "..." for line in shown_lines):
        return "a line that is only '...' says nothing"
    same = len(shown_lines) == len(printed_lines) and all(
        _same(*lines, bound) for lines in zip(shown_lines, printed_lines, strict=True)
    )
    if same:
        bindings.ids = bound
        return None
    return f"shown:\n{_indent(shown_lines)}\nprinted:\n{_indent(printed_lines)}"


def _same(shown: str, printed: str, bound: dict[str, str]) -> bool:
    """Tell whether a line matches, and note the ids it binds."""
    regex, names, end = "", [], 0
    for found in ANY.finditer(shown):
        regex += re.escape(shown[end : found.start()])
        end = found.end()
        if found.lastgroup is None:
            regex += ".*"
        elif found[0] in bound:
            regex += re.escape(bound[found[0]])
        else:
            regex += f"({PATTERNS[found.lastgroup]})"
            names.append((found.lastgroup, found[0]))
    match = re.fullmatch(regex + re.escape(shown[end:]), printed.rstrip())
    if not match:
        return False
    for (name, text), real in zip(names, match.groups(), strict=True):
        if name in ("id", "port") and bound.setdefault(text, real) != real:
            return False
        if name == "seconds" and not 0.1 < (float(real) + 0.01) / (float(text) + 0.01) < 10:
            return False
    return True


def _indent(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
