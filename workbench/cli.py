"""The workbench's commands."""

import json
import os
import signal
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
from workbench.log import Log
from workbench.service import ENDINGS
from workbench.trouble import Trouble

if TYPE_CHECKING:  # what imports Celery is imported where it is needed: it takes half a second
    from workbench.bench import Bench

RUNS = chapter.VAR / "runs"
BY_HAND = "The same by hand, each line in a terminal of its own:"


class Port(click.ParamType[int]):
    """A port that a server may listen on; 0 means any."""

    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return it as a number."""
        text = str(value)
        if not text.isdecimal() or int(text) > 65535:
            raise Trouble(f"'{text}' is no port: choose a number such as 8000, 65535 at most.")
        return int(text)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run a chapter, and break it."""
    # A shell tells what it starts in the background to ignore Ctrl-C; our children would, too.
    for number in ENDINGS:
        signal.signal(number, signal.default_int_handler)


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
    from workbench.bench import Bench
    from workbench.xray import beside

    bench = Bench(
        chapter_name,
        broker=broker,
        backend=backend,
        port=port,
        folder=folder,
        management=beside.is_wanted(),
    )
    click.echo(f"Starting {bench.chapter.name}: {', '.join(bench.services)} ...")
    by_hand = bench.by_hand()  # without the X-ray, which nobody needs
    xray = beside.add_to(bench)
    with quiet_end(), bench:
        second_terminal = control.Control(bench, RUNS)
        try:
            click.echo(f"\n{BY_HAND}\n")
            for name, command in by_hand.items():
                click.echo(f"# {name}\n{command}\n")
            if xray:
                click.echo(f"X-ray, to watch the messages move: {xray}")
            click.echo(f"Ready (Ctrl-C stops it all): {bench.url}\n")
            bench.log.print_from_now([*bench.services, "workbench"])
            report_the_dead(bench)
        finally:
            second_terminal.close()


@main.command()
@click.option("--port", default=6379, type=Port(), envvar="REDIS_PORT", help="Its port.")
def redis(port: int) -> None:
    """Start a Redis alone, where the chapters look for one by default; Ctrl-C stops it."""
    from workbench import brokers, probes

    if not probes.is_free(port):
        raise Trouble(
            f"Port {port} is taken: use what listens there, or choose another, "
            "as in: make redis REDIS_PORT=6380"
        )
    folder = chapter.VAR / "redis" / str(port)
    service, url = brokers.redis_server("redis", folder, Log(), port)
    with quiet_end():
        try:
            service.launch()
            service.wait()
            click.echo(f"Ready (Ctrl-C stops it): {url}")
            threading.Event().wait()
        finally:
            service.close()


@main.command("xray")
@click.option("--broker", metavar="URL", envvar="CELERY_BROKER_URL", help="The broker to look at.")
@click.option("--result-backend", metavar="URL", envvar="CELERY_RESULT_BACKEND", help="And where.")
@click.option("--management", metavar="URL", help="RabbitMQ's management interface.")
@click.option("--port", default=5555, type=Port(), envvar="XRAY_PORT", help="The X-ray's own port.")
@click.option("--redact", is_flag=True, help="Hide arguments, results, errors and messages.")
@click.option("--run", "run_pid", type=int, hidden=True, help="The run whose workers are ours.")
@click.option("--chapter", "page", nargs=2, hidden=True, help="Its name, and its page.")
def open_xray(
    broker: str | None,
    result_backend: str | None,
    management: str | None,
    port: int,
    redact: bool,
    run_pid: int | None,
    page: tuple[str, str] | None,
) -> None:
    """Watch the messages of any Celery app: where each is, what it looks like, why it waits."""
    if not broker:
        raise Trouble(
            "Say which broker to look at: --broker redis://localhost:6379/0, or set "
            "CELERY_BROKER_URL. (A chapter that 'make run' starts has an X-ray already.)"
        )
    from workbench.xray import command

    chapter = {"name": page[0], "url": page[1]} if page else None
    with quiet_end():
        command.serve(
            broker,
            result_backend,
            port,
            redact=redact,
            management=management,
            run_pid=run_pid,
            chapter=chapter,
        )


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
@click.option("--json", "as_json", is_flag=True, envvar="JSON", help="For programs.")
def examine(chapter_name: str, broker: str | None, port: int, task_id: str, as_json: bool) -> None:
    """Find out what is wrong with CHAPTER, and what mends it: with the one that runs, or 01.

    Its exit status is 0 if all is well.
    """
    from workbench import doctor

    visit = doctor.find(chapter_name, port, broker, RUNS)
    os.environ |= visit.env  # Celery heeds CELERY_BROKER_URL more than what it is told
    findings = []
    if not as_json:
        started = "runs" if visit.running else "as it is started by hand"
        click.echo(f"Looking at {visit.where.name} ({started}):\n")
    for finding in doctor.examine(visit, task_id):
        findings.append(finding)
        if not as_json:
            click.echo(f"{'✗' if finding.fault else '✓'} {finding.about}: {finding.says}")
        if finding.fault and not as_json:
            click.echo(f"  Do: {finding.mend}")
            if finding.guide:
                click.echo(f"  Why: {finding.guide}")
    if as_json:
        click.echo(json.dumps([vars(each) | {"guide": each.guide} for each in findings], indent=2))
    sys.exit(1 if any(finding.fault for finding in findings) else 0)


@main.command("notebook")
@click.argument("chapter_name", metavar="CHAPTER", default="01", envvar="CHAPTER")
@click.option("--port", default=8888, type=Port(), envvar="NOTEBOOK_PORT", help="Jupyter's port.")
@click.option("--browser/--no-browser", default=True, help="Open it in a browser, or don't.")
def open_notebook(chapter_name: str, port: int, browser: bool) -> None:
    """Open the notebook of CHAPTER in JupyterLab; Ctrl-C ends it, and all that it has started."""
    from workbench import notebook

    if not find_spec("jupyterlab"):
        raise Trouble("JupyterLab is missing: 'make notebook' installs it first.")
    notebook.open_in_jupyter(notebook.of(chapter_name), port, browser)


@main.command()
@click.argument("chapter_names", metavar="[CHAPTER]...", nargs=-1)
def slides(chapter_names: tuple[str, ...]) -> None:
    """Make slides of the notebooks of each CHAPTER (01, 02, ...), or of all, from their outputs."""
    try:
        from workbench import slides
    except ModuleNotFoundError as lack:
        raise Trouble(f"{lack.name} is missing: 'make slides' installs it first.") from None

    for page in slides.write(slides.find(chapter_names), chapter.VAR / "slides"):
        click.echo(page)


@main.command("reset")
@click.argument("chapter_name", metavar="CHAPTER", envvar="CHAPTER", default="")
def start_again(chapter_name: str) -> None:
    """Restore the files of CHAPTER; what you had goes to var/kept/."""
    from workbench import reset

    if not chapter_name:
        raise Trouble("Say which chapter, as in: make reset CHAPTER=02")
    where = chapter.find(chapter_name)
    kept = reset.reset(where, RUNS)
    if kept:
        click.echo(f"{where.name} is as in the last commit again. What you had is in {kept}")
    else:
        click.echo(f"{where.name} is as in the last commit: there was nothing to restore.")


@contextmanager
def quiet_end() -> Iterator[None]:
    """End without a traceback on Ctrl-C, after all is stopped."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.")


def report_the_dead(bench: "Bench") -> NoReturn:
    """Report, for ever, each process that ends without having been asked to."""
    while True:
        for name, status in bench.dead().items():
            again = f"python -m workbench start {name}"
            bench.log.add(name, f"-- ended, exit status {status}; start it again: {again} --")
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
        raise Trouble(f"There is no command '{words[0]}'.") from None


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
