"""Start the workbench's command line."""

import sys

try:
    import workbench.upkeep  # noqa: F401  # more commands
    from workbench.cli import main
except ModuleNotFoundError as error:
    print(
        f"The module '{error.name}' is missing from this Python ({sys.executable}): use the "
        "project's, with 'source .venv/bin/activate', or delete the folder .venv, "
        "then 'make run' makes it anew.",
        file=sys.stderr,
    )
    sys.exit(2)

main(prog_name="python -m workbench")
