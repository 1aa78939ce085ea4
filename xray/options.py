"""What the command line of each of our programs can say."""

import click

from xray.errors import UserError


class Port(click.ParamType[int]):
    """A port that a server may listen on; 0 means any."""

    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return it as a number."""
        text = str(value)
        if not text.isdecimal() or int(text) > 65535:
            raise UserError(f"'{text}' is no port: choose a number such as 8000, 65535 at most.")
        return int(text)
