"""What can go wrong, in words for the person at the keyboard."""

import click


class UserError(click.ClickException):
    """Something a person can mend: one sentence that says what to do, and exit status 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the sentence alone."""
        click.echo(self.format_message(), err=True)
