"""Say that a module is missing, to somebody who used another Python than the project's."""

import sys
from typing import NoReturn


def explain(error: ModuleNotFoundError) -> NoReturn:
    """Say which module is missing, and what to do; leave."""
    print(
        f"The module '{error.name}' is missing from this Python ({sys.executable}): use the "
        "project's, with 'source .venv/bin/activate', or delete the folder .venv, "
        "then 'make run' makes it anew.",
        file=sys.stderr,
    )
    sys.exit(2)
