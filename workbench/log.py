"""The output of all processes, interleaved: a colour and a name each."""

import datetime
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from honcho.colour import get_colours
from honcho.printer import Message, Printer

Line = tuple[datetime.datetime, str, str]  # when, which process, what it said


class Log:
    """Collects what processes say, and prints it when it is told to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=2000))
        self._held: deque[Line] = deque(maxlen=2000)
        self._print: Callable[[Line], None] | None = None

    def add(self, name: str, text: str) -> None:
        """Take in one line."""
        with self._changed:
            line = (datetime.datetime.now(), name, text)
            self._lines[name].append(text)
            if self._print:
                self._print(line)
            else:
                self._held.append(line)
            self._changed.notify_all()

    def lines(self, name: str) -> list[str]:
        """Return what a process has said, as far as it is remembered."""
        with self._changed:
            return list(self._lines[name])

    def wait_until_quiet(self, seconds: float, deadline: float) -> None:
        """Wait until nothing was said for so many seconds, or the deadline (in seconds) is over."""
        end = time.monotonic() + deadline
        with self._changed:
            while self._changed.wait(seconds) and time.monotonic() < end:
                continue

    def print_held(self, names: list[str]) -> None:
        """Print what was held back, and hold back what comes."""
        printer = printer_of(names)
        with self._changed:
            for line in self._held:
                printer(line)
            self._held.clear()

    def print_from_now(self, names: list[str]) -> None:
        """Print what was held back, and from now on every line as it comes."""
        with self._changed:
            self.print_held(names)
            self._print = printer_of(names)


def printer_of(names: list[str]) -> Callable[[Line], None]:
    """Return what prints a line, with a colour for each of these names."""
    printer = Printer(width=max(map(len, names)))
    colours = dict(zip(names, get_colours(), strict=False))

    def write(line: Line) -> None:
        when, name, text = line
        printer.write(Message("line", text, when, name, colours.get(name)))

    return write
