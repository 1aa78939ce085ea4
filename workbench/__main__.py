"""Start this command line: python -m workbench."""

from xray import missing

try:
    from workbench.cli import main
except ModuleNotFoundError as error:
    missing.explain(error)

main(prog_name="python -m workbench")
