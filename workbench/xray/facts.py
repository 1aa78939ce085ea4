"""What was observed, in the order of learning it: a log that keeps the latest so many facts."""

import json
import threading
import time
from collections import deque
from typing import Any

KEPT = 20_000
LONGEST = 200  # characters of a text in a fact

encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


# What is said only when it changes holds until then, even when the fact has fallen out of the log.
STANDING = {"worker", "queue", "broker", "backend", "watch", "count", "unseen"}


class Facts:
    """A bounded log of facts. Each is numbered without gaps, and kept as the JSON that is sent."""

    def __init__(self, kept: int = KEPT) -> None:
        self.last = 0
        self.kept: deque[str] = deque()
        self._names: deque[tuple[str, str] | None] = deque()  # of those that hold on, beside them
        self._standing: dict[tuple[str, str], str] = {}
        self._limit = kept
        self._lock = threading.Lock()  # several threads observe

    def add(self, of: str, at: float | None = None, **fields: Any) -> None:
        """Note a fact. Fields that are None are unknown, and left out."""
        fact: dict[str, Any] = {"n": 0, "at": round(at or time.time(), 4), "of": of}
        for name, value in fields.items():
            if value is not None:
                long = type(value) is str and len(value) > LONGEST
                fact[name] = value[: LONGEST - 1] + "…" if long else value
        about = str(fact.get("worker", fact.get("queue", "")))
        with self._lock:
            self.last = fact["n"] = self.last + 1
            self.kept.append(encode(fact))
            self._names.append((of, about) if of in STANDING else None)
            if len(self.kept) > self._limit:
                dropped, key = self.kept.popleft(), self._names.popleft()
                if key:
                    self._standing[key] = dropped

    def since(self, last: int) -> tuple[int, list[str]]:
        """Return the number of the latest fact, and all that are newer than this one and kept."""
        with self._lock:
            new = self.last - last
            # From the right: the newest of many are cheap to reach there.
            found = [self.kept[-number] for number in range(min(new, len(self.kept)), 0, -1)]
            return self.last, found

    def history(self) -> tuple[int, list[str]]:
        """Return the number of the latest fact, and all that is kept, after what still holds."""
        with self._lock:
            return self.last, [*self._standing.values(), *self.kept]

    def has_all_since(self, last: int) -> bool:
        """Tell whether nothing newer than this fact has been dropped yet."""
        return 0 <= self.last - last <= len(self.kept)
