"""How often the X-ray looks: seldom enough for the workers, who need the processors too."""

import time

SHARE, SHARE_IN_A_RUSH = 120, 400  # each look may take at most one part in so many of our time
GATHERS_FOR, GATHERS_FOR_IN_A_RUSH = 0.1, 0.25  # seconds; to be woken by each event is dear
RUSH = 200  # events a second
LONGEST = (
    2.0  # seconds: one look that was dear (a first one is) must not keep us from looking for long
)


class Pace:
    """Slows the looks down while many events come."""

    def __init__(self) -> None:
        self.rush = False
        self._since, self._counted = time.time(), 0

    def heed(self, events: int) -> bool:
        """Learn how many events have come by now; tell whether a second has passed."""
        now = time.time()
        if now - self._since < 1:
            return False
        self.rush = events - self._counted > RUSH * (now - self._since)
        self._since, self._counted = now, events
        return True

    def between(self, least: float, worked: float) -> float:
        """Return how many seconds to rest, after a look that took so many of processor time."""
        share = SHARE_IN_A_RUSH if self.rush else SHARE
        return min(max(least, share * worked), LONGEST)

    def gathers_for(self) -> float:
        """Return for how long to let events come before they are read."""
        return GATHERS_FOR_IN_A_RUSH if self.rush else GATHERS_FOR
