"""What was observed, in the order of learning it: a log that keeps the latest so many facts."""

import itertools
import json
import threading
import time
from collections import deque
from typing import Any

KEPT = 20_000
LONGEST = 200  # characters of a text in a fact
# What is said only when it changes holds until then, even when the fact has fallen out of the log.
LASTING = {"worker", "queue", "broker", "backend", "watch", "count", "unseen"}

Fact = dict[str, Any]
encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Facts:
    """A bounded log of facts, each of which is numbered, without gaps."""

    def __init__(self, kept: int = KEPT) -> None:
        self.last = 0
        self._kept: deque[Fact] = deque()
        self._lasting: dict[tuple[str, str], Fact] = {}
        self._limit = kept
        self._lock = threading.Lock()  # several threads observe

    def add(self, of: str, at: float | None = None, **fields: Any) -> None:
        """Note a fact. Fields that are None are unknown, and left out."""
        known = {name: value for name, value in fields.items() if value is not None}
        self.put({"of": of, "at": at or time.time()} | known)

    def put(self, fact: Fact) -> None:
        """Note a fact as it is, with its long texts cut."""
        for name, value in fact.items():
            if type(value) is str and len(value) > LONGEST:
                fact[name] = value[: LONGEST - 1] + "…"
        with self._lock:
            self.last = fact["n"] = self.last + 1
            self._kept.append(fact)
            if len(self._kept) > self._limit:
                self._drop(self._kept.popleft())

    def since(self, last: int) -> list[Fact]:
        """Return all that are newer than this one, as far as they are kept."""
        with self._lock:
            new = min(self.last - last, len(self._kept))
            # From the right: there, the newest of many are soon found.
            return list(itertools.islice(reversed(self._kept), new))[::-1]

    def history(self) -> list[Fact]:
        """Return all that is kept, after what was dropped and still holds."""
        with self._lock:
            return [*self._lasting.values(), *self._kept]

    def has_all_since(self, last: int) -> bool:
        """Tell whether nothing newer than this fact has been dropped yet."""
        return 0 <= self.last - last <= len(self._kept)

    def _drop(self, fact: Fact) -> None:
        if fact["of"] in LASTING:
            self._lasting[fact["of"], fact.get("worker") or fact.get("queue") or ""] = fact
