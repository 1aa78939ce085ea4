"""The output of all processes, interleaved: a colour and a name each."""

import datetime
import threading
from collections import defaultdict, deque
from collections.abc import Callable

from honcho.colour import get_colours
from honcho.printer import Message, Printer

Line = tuple[datetime.datetime, str, str]  # when, which process, what it said


class Log:
    """Collects what processes say; prints it once somebody listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=2000))
        self._held: deque[Line] = deque(maxlen=2000)
        self._printer: Callable[[Line], None] | None = None

    def add(self, name: str, text: str) -> None:
        """Take in one line."""
        with self._lock:
            line = (datetime.datetime.now(), name, text)
            self._lines[name].append(text)
            if self._printer:
                self._printer(line)
            else:
                self._held.append(line)

    def lines(self, name: str) -> list[str]:
        """Return what a process has said, as far as it is remembered."""
        with self._lock:
            return list(self._lines[name])

    def print_from_now(self, names: list[str]) -> None:
        """Print what was held back, and from now on every line as it comes."""
        printer = Printer(width=max(map(len, names)))
        colours = dict(zip(names, get_colours(), strict=False))

        def write(line: Line) -> None:
            when, name, text = line
            printer.write(Message("line", text, when, name, colours.get(name)))

        with self._lock:
            for line in self._held:
                write(line)
            self._held.clear()
            self._printer = write
