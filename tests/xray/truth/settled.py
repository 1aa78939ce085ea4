"""Waits until what can settle has settled, and compares."""

import time

from httpx import HTTPError
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tests.support.waiting import wait_until
from tests.xray.truth.compare import disagreements
from tests.xray.truth.picture import read
from tests.xray.truth.run import Run
from tests.xray.truth.sources import SilentError

SETTLES_WITHIN = 40  # seconds: Celery may need half of it to connect again
ANSWERS_WITHIN = 15  # seconds
NOT_YET = (SilentError, OperationalError, RedisError, HTTPError, OSError)


def expect_agreement(run: Run) -> None:
    """Compare the picture with the truth, until they agree or the time is over.

    What is printed of a pause that took long is what disagreed last.
    """
    began = time.monotonic()
    found = ["nothing was compared"]
    last: list[str] = []
    run.answered = began
    while found and time.monotonic() < began + SETTLES_WITHIN:
        found = look(run)
        if found:
            last = found
            kill_the_silent(run)
            run.page.wait_for_timeout(200)
    took = time.monotonic() - began
    print(f"    {'DISAGREES' if found else 'agrees'} after {took:.1f} s", last if took > 6 else "")
    assert not found, "\n".join(found)


def kill_the_silent(run: Run) -> None:
    """Kill workers that don't answer any more, as a person would, so that all can be compared.

    Celery 5.7.0 doesn't always survive that its Redis goes away: an AttributeError ends it, but
    only after its tasks, and until then nobody can ask what it has.
    """
    if time.monotonic() < run.answered + ANSWERS_WITHIN:
        return
    try:
        run.truth()
    except SilentError as silent:
        for name in silent.names:
            print(f"    {name} doesn't answer: it is killed")
            run.kill(name)
    except NOT_YET:
        pass  # the broker itself
    run.answered = time.monotonic()


def look(run: Run) -> list[str]:
    """Compare once, if nothing moves meanwhile."""
    try:
        before = run.truth()
        picture = read(run.page)
        if before != run.truth():
            return ["the truth doesn't stand still"]
    except NOT_YET as error:
        return [f"not all answer: {error!r}"]
    run.answered = time.monotonic()
    run.seen |= picture.cards.keys()
    return disagreements(before, picture, run.sent_by(before), run.seen)


def expect_outage(run: Run) -> None:
    """While the broker is away, nothing can be compared: the page says that it is away."""
    wait_until(lambda: "broker doesn't answer" in read(run.page).banner, "the page to say so")
