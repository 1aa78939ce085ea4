"""The workbench's commands."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from workbench import chapter, control
from workbench.errors import UserError
from workbench.log import Log
from xray import cli as xray_cli
from xray.options import Port
from xray.signals import end_like_ctrl_c

if TYPE_CHECKING:  # what imports Celery is imported where it is needed: it takes half a second
    from workbench.chapter_run import ChapterRun

RUNS = chapter.VAR / "runs"
USUAL_REDIS_PORT = 6379  # where the chapters look for one
QUIET = 0.25  # seconds in which nothing is said: all have started
BY_HAND = "The same by hand, each line in a terminal of its own:"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a chapter, and break it."""
    end_like_ctrl_c()


main.add_command(xray_cli.main, "xray")


@main.command()
@click.argument("chapter_name", metavar="CHAPTER", default="01", envvar="CHAPTER")
@click.option("--port", default=8000, type=Port(), envvar="PORT", help="The page's port.")
@click.option(
    "--broker", default="redis", envvar="BROKER", show_default=True, help="redis or rabbitmq."
)
@click.option(
    "--backend", default="redis", envvar="BACKEND", show_default=True, help="redis or database."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where its files go.")
def run(chapter_name: str, port: int, broker: str, backend: str, folder: Path | None) -> None:
    """Start CHAPTER (01, 02, ...) with its broker, show its log; Ctrl-C stops it all."""
    from workbench import xray_process
    from workbench.chapter_run import ChapterRun

    chapter_run = ChapterRun(
        chapter_name,
        broker=broker,
        backend=backend,
        port=port,
        folder=folder,
        management=xray_process.is_wanted(),
    )
    click.echo(f"Starting {chapter_run.chapter.name}: {', '.join(chapter_run.services)} ...")
    by_hand = chapter_run.by_hand()  # without the X-ray, which nobody needs
    xray = xray_process.add_to(chapter_run)
    names = [*chapter_run.services, "workbench"]
    with quiet_end(), chapter_run:
        second_terminal = control.Control(chapter_run, RUNS, xray)
        try:
            chapter_run.log.wait_until_quiet(QUIET, deadline=2)
            chapter_run.log.print_held(names)  # above the addresses, which are to stay in sight
            print_addresses(by_hand, xray, chapter_run.url)
            chapter_run.log.print_from_now(names)
            report_the_dead(chapter_run)
        finally:
            second_terminal.close()


def print_addresses(by_hand: dict[str, str], xray: str | None, url: str) -> None:
    """Print the commands that a person would type, and last the addresses."""
    click.echo(f"\n{BY_HAND}\n")
    for name, command in by_hand.items():
        click.echo(f"# {name}\n{command}\n")
    if xray:
        click.echo(f"X-ray, to watch the messages move: {xray}")
    click.echo(f"Ready (Ctrl-C stops it all): {url}\n")


@main.command()
@click.option(
    "--port", default=USUAL_REDIS_PORT, type=Port(), envvar="REDIS_PORT", help="Its port."
)
def redis(port: int) -> None:
    """Start a Redis alone, where the chapters look for one by default; Ctrl-C stops it."""
    from workbench import brokers, probes

    if not probes.is_free(port):
        raise UserError(
            f"Port {port} is taken: use what listens there, or choose another, "
            "as in: make redis REDIS_PORT=6380"
        )
    folder = chapter.VAR / "redis" / str(port)
    service, url = brokers.redis_server("redis", folder, Log(), port)
    with quiet_end():
        try:
            service.launch()
            service.wait()
            if port != USUAL_REDIS_PORT:
                variables = f"CELERY_BROKER_URL={url}/0 CELERY_RESULT_BACKEND={url}/1"
                click.echo(f"In each other terminal: export {variables}")
            click.echo(f"Ready (Ctrl-C stops it): {url}")
            threading.Event().wait()
        finally:
            service.close()


@main.command()
@click.argument("chapter_name", metavar="CHAPTER", default="01", envvar="CHAPTER")
@click.option("--watch", is_flag=True, envvar="WATCH", help="Check again on each save.")
@click.option("--deadline", default=60.0, show_default=True, help="Seconds that a check may take.")
def check(chapter_name: str, watch: bool, deadline: float) -> None:
    """Check your exercises of CHAPTER, and give a hint for the first that fails."""
    from workbench import exercises

    found = exercises.find(chapter_name)
    click.echo(f"Checking the exercises in {found[0].parent.relative_to(chapter.ROOT)}/ ...")
    passed = watch
    with quiet_end():
        if watch:
            exercises.watch(found, deadline)
        passed = exercises.check(found, deadline)
    sys.exit(0 if passed else 1)


@main.command("doctor")
@click.argument("chapter_name", metavar="[CHAPTER]", default="")
@click.option("--broker", metavar="URL", envvar="BROKER_URL", help="Look at this broker instead.")
@click.option("--port", default=8000, type=Port(), envvar="PORT", help="The page's port.")
@click.option("--task", "task_id", envvar="TASK", default="", help="Look for this task as well.")
@click.option(
    "--give-up",
    is_flag=True,
    envvar="GIVE_UP",
    help="Store a failure for each task that is lost, so that it can be ordered again.",
)
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="For programs.")
def examine(
    chapter_name: str, broker: str | None, port: int, task_id: str, give_up: bool, as_json: bool
) -> None:
    """Find out what is wrong with CHAPTER, and what mends it: with the one that runs, or 01.

    Its exit status is 0 if all is well.
    """
    from workbench import doctor

    examination = doctor.find(chapter_name, port, broker, RUNS)
    os.environ |= examination.env  # Celery heeds CELERY_BROKER_URL more than what it is told
    findings = []
    if not as_json:
        started = "runs" if examination.running else "as it is started by hand"
        click.echo(f"Looking at {examination.chapter.name} ({started}):\n")
    for finding in doctor.examine(examination, task_id, give_up):
        findings.append(finding)
        if not as_json:
            click.echo(f"{'✗' if finding.fault else '✓'} {finding.about}: {finding.says}")
        if finding.fault and not as_json:
            click.echo(f"  Do: {finding.mend}")
            if finding.guide:
                click.echo(f"  Why: {finding.guide}")
    if as_json:
        click.echo(json.dumps([each.for_programs() for each in findings], indent=2))
    sys.exit(1 if any(finding.fault for finding in findings) else 0)


@main.command("notebook")
@click.argument("chapter_name", metavar="CHAPTER", default="01", envvar="CHAPTER")
@click.option("--port", default=8888, type=Port(), envvar="NOTEBOOK_PORT", help="Jupyter's port.")
@click.option("--browser/--no-browser", default=True, help="Open it in a browser, or don't.")
@click.option("--check", "only_check", is_flag=True, help="Only say whether there is one.")
def open_notebook(chapter_name: str, port: int, browser: bool, only_check: bool) -> None:
    """Open the notebook of CHAPTER in JupyterLab; Ctrl-C ends it, and all that it has started."""
    from workbench import notebook

    path = notebook.of(chapter_name)
    if only_check:
        return
    if not find_spec("jupyterlab"):
        raise UserError("JupyterLab is missing: 'make notebook' installs it first.")
    notebook.open_in_jupyter(path, port, browser)


@main.command("reset")
@click.argument("chapter_name", metavar="CHAPTER", envvar="CHAPTER", default="")
def start_again(chapter_name: str) -> None:
    """Restore the files of CHAPTER; what you had goes to var/kept/."""
    from workbench import reset

    if not chapter_name:
        raise UserError("Say which chapter, as in: make reset CHAPTER=02")
    wanted = chapter.find(chapter_name)
    kept = reset.reset(wanted, RUNS)
    if kept:
        click.echo(f"{wanted.name} is as in the last commit again. What you had is in {kept}")
    else:
        click.echo(f"{wanted.name} is as in the last commit: there was nothing to restore.")


@contextmanager
def quiet_end() -> Iterator[None]:
    """End without a traceback on Ctrl-C, after all is stopped."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.")


def report_the_dead(chapter_run: "ChapterRun") -> NoReturn:
    """Report, for ever, each process that ends without having been asked to."""
    while True:
        for name, status in chapter_run.dead().items():
            again = f"python -m workbench start {name}"
            chapter_run.log.add(name, f"-- ended, exit status {status}; start it again: {again} --")
        time.sleep(0.2)


PORT_OF_RUN = click.option("--port", help="The page's port, if there are several runs.")


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@PORT_OF_RUN
def execute(words: tuple[str, ...], port: str | None) -> None:
    """Run COMMAND in the chapter's folder, with the variables that its processes have."""
    address = control.find(RUNS, port)
    os.chdir(chapter.find(address.chapter).path)
    try:
        os.execvpe(words[0], words, os.environ | address.env)
    except FileNotFoundError:
        raise UserError(f"There is no command '{words[0]}'.") from None


def command(verb: str, text: str) -> None:
    """Add a command for the second terminal."""

    @main.command(verb, help=text)
    @click.argument("name")
    @PORT_OF_RUN
    def tell(name: str, port: str | None) -> None:
        click.echo(control.tell(RUNS, port, verb, name))


command("stop", "Stop the process NAME (worker, broker, web, ...) of a run, as Ctrl-C would.")
command("start", "Start the process NAME of a run again.")
command("kill", "Kill the process NAME of a run: kill -9.")
