"""Ctrl-C and its like: they end a program, but not in the middle of its clearing up."""

import contextlib
import signal
import threading
from collections.abc import Iterator

ENDINGS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_like_ctrl_c() -> None:
    """Have each of these signals raise KeyboardInterrupt.

    A shell tells what it starts in the background to ignore Ctrl-C; our children would, too.
    """
    for number in ENDINGS:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def postponed_signals() -> Iterator[None]:
    """Let Ctrl-C and its like wait for the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in ENDINGS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in came[:1]:
        signal.raise_signal(number)
