"""Start the workbench's command line."""

import sys

try:
    from workbench.cli import main
except ModuleNotFoundError as error:
    print(
        f"The module '{error.name}' is missing from this Python ({sys.executable}): "
        "start with 'make run', or activate the environment: source .venv/bin/activate",
        file=sys.stderr,
    )
    sys.exit(2)

main(prog_name="python -m workbench")
