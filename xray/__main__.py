"""Start this command line: python -m xray."""

from xray import missing

try:
    from xray.cli import main
except ModuleNotFoundError as error:
    missing.explain(error)

main(prog_name="python -m xray")
