"""The X-ray's command line. What imports Celery is imported late: it takes half a second."""

from typing import Any

import click

from xray.errors import UserError
from xray.options import Port
from xray.signals import end_like_ctrl_c


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--broker", metavar="URL", envvar="CELERY_BROKER_URL", help="The broker to look at.")
@click.option("--result-backend", metavar="URL", envvar="CELERY_RESULT_BACKEND", help="And where.")
@click.option("--management", metavar="URL", help="RabbitMQ's management interface.")
@click.option("--port", default=5555, type=Port(), envvar="XRAY_PORT", help="The X-ray's own port.")
@click.option("--redact", is_flag=True, help="Hide arguments, results, errors and messages.")
@click.option("--run", "run_pid", type=int, hidden=True, help="The run whose workers are ours.")
@click.option("--chapter", "page", nargs=2, hidden=True, help="Its name, and its page.")
def main(
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
        raise UserError(
            "Say which broker to look at: --broker redis://localhost:6379/0, or set "
            "CELERY_BROKER_URL. (A chapter that 'make run' starts has an X-ray already.)"
        )
    from xray.serve import serve

    end_like_ctrl_c()
    try:
        serve(
            broker,
            result_backend,
            port,
            redact=redact,
            management=management,
            run_pid=run_pid,
            chapter={"name": page[0], "url": page[1]} if page else None,
        )
    except KeyboardInterrupt:
        click.echo("Stopped.")


@click.command("xray", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--management", metavar="URL", help="RabbitMQ's management interface.")
@click.option("--port", default=5555, type=Port(), envvar="XRAY_PORT", help="The X-ray's own port.")
@click.option("--redact", is_flag=True, help="Hide arguments, results, errors and messages.")
@click.pass_context
def of_an_app(context: click.Context, management: str | None, port: int, redact: bool) -> None:
    """Watch this app's messages: where each is, what it looks like, why it waits.

    A command of Celery's own: `celery -A proj xray`.
    """
    from xray.serve import serve

    end_like_ctrl_c()
    app: Any = context.obj.app
    broker = app.connection_for_read().as_uri(include_password=True)
    try:
        serve(broker, app.conf.result_backend, port, redact=redact, management=management)
    except KeyboardInterrupt:
        click.echo("Stopped.")
