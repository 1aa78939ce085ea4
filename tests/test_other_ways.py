"""compose.yaml and the dev container: as much as can be checked without Docker."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPOSE = (ROOT / "compose.yaml").read_text()
CONTAINER = (ROOT / ".devcontainer/devcontainer.json").read_text()


def test_both_say_that_they_were_not_tested() -> None:
    assert "# Not tested:" in COMPOSE
    assert "// Not tested:" in CONTAINER


def test_brokers_listen_on_this_machine_only() -> None:
    published = re.findall(r'^ +- "([\d.:]+)"', COMPOSE, re.M)
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_addresses_in_its_comments_are_published() -> None:
    named = set(re.findall(r"(?:redis|amqp)://(?:.*?@)?127\.0\.0\.1:(\d+)", COMPOSE))
    assert named
    assert named <= set(re.findall(r'"127\.0\.0\.1:(\d+):\1"', COMPOSE))


def test_the_dev_container_prepares_what_make_run_needs() -> None:
    lines = [line for line in CONTAINER.splitlines() if not line.startswith("//")]
    container = json.loads("\n".join(lines))
    words = container["postCreateCommand"].split()
    assert words == ["python3", "workbench/bootstrap.py", "requirements-run.txt"]
    assert {str(port) for port in container["forwardPorts"]} == container["portsAttributes"].keys()
