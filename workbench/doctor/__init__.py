"""Find out what is wrong with a chapter, in plain words, and name the one command that mends it."""

import platform
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from redis.exceptions import NoPermissionError

from workbench import chapter, control
from workbench.doctor.environment import ask, environment, page
from workbench.doctor.findings import DOWN, AppSettings, Examination, Finding
from workbench.doctor.orders import orders, task
from workbench.doctor.probe import probe
from workbench.doctor.servers import backend, broker
from workbench.doctor.workers import workers
from xray.addresses import without_password

Look = Callable[[AppSettings, Examination], Finding]
USUAL = ["redis://127.0.0.1:6379/0", "amqp://guest:guest@127.0.0.1:5672//"]  # where brokers are


def examine(
    examination: Examination, task_id: str = "", give_up: bool = False
) -> Iterator[Finding]:
    """Look at one thing after another, each of which needs the last; end with a fault.

    A task is looked for all the same, and tasks that nobody works on don't end it.
    """
    yield Finding("machine", f"Python {platform.python_version()} on {platform.platform()}.")
    yield (found := environment(examination))
    if found.fault:
        return
    if not examination.running:
        yield page(examination)
    settings = ask(examination)
    if isinstance(settings, Finding):
        yield settings
        return
    yield Finding("app", f"{len(settings.tasks)} tasks; they go into the queue '{settings.queue}'.")
    yield from servers(settings, examination, task_id, give_up)


def servers(
    settings: AppSettings, examination: Examination, task_id: str, give_up: bool
) -> Iterator[Finding]:
    """Look at all that the app's settings name, and at what is under way between them."""
    for look in (broker, backend):
        yield (found := attempt(look, settings, examination))
        if found.fault:
            return
    yield (found := attempt(workers, settings, examination))
    if not found.fault:
        yield attempt(partial(orders, give_up=give_up), settings, examination)
        yield attempt(probe, settings, examination)
    if task_id:
        yield attempt(partial(task, task_id=task_id), settings, examination)


def attempt(look: Look, settings: AppSettings, examination: Examination) -> Finding:
    """Look at one thing; say so if a server that answered a moment ago doesn't any more."""
    try:
        return look(settings, examination)
    except DOWN as error:
        named = look.func if isinstance(look, partial) else look
        return refused(named.__name__, error, settings)


def refused(about: str, error: Exception, settings: AppSettings) -> Finding:
    """Say that the broker, or the backend, answers but doesn't do what is asked of it."""
    if "maxmemory" in str(error):
        says = f"The Redis has no memory left for another message. ({error})"
        return Finding(about, says, "broker-full", no_limit(settings.broker))
    if isinstance(error, NoPermissionError):
        says = f"A server answers, and refuses what is asked of it. ({error})"
        return Finding(about, says, "refused", "give this user of the Redis the rights it lacks")
    says = f"A server that answered a moment ago doesn't any more. ({error})"
    return Finding(about, says, "refused", "make doctor")


def no_limit(url: str) -> str:
    """Return the command that lets a Redis use all memory. (redis-cli may not be installed.)"""
    shown = without_password(url)
    redis = f"redis.Redis.from_url('{shown}')"
    command = f"python -c \"import redis; {redis}.config_set('maxmemory', 0)\""
    return command if shown == url else f"{command} (write the password in place of ***)"


def find(name: str, port: int, broker_url: str | None, runs: Path) -> Examination:
    """Choose what to examine: the chapter that is named, or the one that runs, or the first."""
    running = control.runs(runs)
    wanted = chapter.find(name).name if name else ""
    found = [address for address in running if wanted in ("", address.chapter)]
    if len(found) > 1:
        found = [address for address in found if address.env["PORT"] == str(port)]
    env = dict(found[0].env) if found else {}
    if broker_url:
        env["CELERY_BROKER_URL"] = broker_url
    return Examination(
        chapter=chapter.find(found[0].chapter if found else wanted or "01"),
        env=env,
        port=int(env.get("PORT", port)),
        running=bool(found),
        others=[address.env["CELERY_BROKER_URL"] for address in running] + USUAL,
        xray=found[0].xray if found else "",
        servers=tuple(found[0].servers) if found else (),
        broker_given=bool(broker_url),
    )
