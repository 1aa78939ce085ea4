"""Notes when the broker or the result backend is gone, and when it is back."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amqp.exceptions import AMQPError
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from xray.facts import Facts

ERRORS = (OSError, RedisError, KombuError, AMQPError, CeleryError, RuntimeError)


class Outages:
    """Several threads look: something is back when all of them have found it."""

    def __init__(self, facts: Facts, stopping: threading.Event) -> None:
        """Waits end when `stopping` is set."""
        self.facts, self._stopping = facts, stopping
        self.on_return: dict[str, Callable[[], None]] = {}  # what to do when something is back
        self._for: dict[str, set[str]] = {"broker": set(), "backend": set()}

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note an error during the block, or that there was none."""
        try:
            yield
        except Exception as error:  # a thread that ends would watch no more, and nobody would know
            says = f"{type(error).__name__}: {error}"
            if not isinstance(error, ERRORS):
                says = f"this is a fault of the X-ray's own, {says}"
            if not self._for[what]:
                self.facts.add(what, up=False, says=says)
            self._for[what].add(threading.current_thread().name)
            self._stopping.wait(0.5)
        else:
            self.is_there(what)

    def is_there(self, what: str) -> None:
        """Note that this thread has found it."""
        me = threading.current_thread().name
        if me in self._for[what]:
            self._for[what].discard(me)
            if not self._for[what]:
                self.facts.add(what, up=True)
                self.on_return.get(what, lambda: None)()

    def is_away(self, what: str) -> bool:
        """Tell whether some thread hasn't found it since it was gone."""
        return bool(self._for[what])

    def forget(self) -> None:
        """Begin anew, with other threads."""
        for threads in self._for.values():
            threads.clear()
