"""Start this command line: python -m tools."""

from xray import missing

try:
    from tools.cli import main
except ModuleNotFoundError as error:
    missing.explain(error)

main(prog_name="python -m tools")
