"""What can go wrong, in words for the person at the keyboard."""

import click


class UserError(click.ClickException):
    """Something a person can mend: one sentence that says what to do, and exit status 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the sentence alone."""
        click.echo(self.format_message(), err=True)


class ProcessDiedError(click.ClickException):
    """A process that ended, or never got ready, before all was ready: exit status 1."""

    exit_code = 1

    def __init__(self, name: str, what: str, last_lines: list[str]) -> None:
        said = "\n".join(f"  {line}" for line in last_lines) or "  (nothing)"
        super().__init__(f"{name} {what}. The last it said:\n{said}")

    def show(self, file: object = None) -> None:
        """Print the sentence and the last lines."""
        click.echo(self.format_message(), err=True)
