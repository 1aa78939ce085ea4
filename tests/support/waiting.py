"""Wait for a condition, never for a while."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found], awaited: str, seconds: float = 15) -> Found:
    """Look until what is found is true, and return it; fail with what was awaited."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s, in vain, for: {awaited}")
        time.sleep(0.05)
    return found
