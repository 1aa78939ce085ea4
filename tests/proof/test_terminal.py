"""The reader at the keyboard keeps variables, as a shell does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path, tmp_path / "var")
    yield found
    found.close()


def test_a_variable_is_there_for_the_commands_of_later_blocks(terminal: Terminal) -> None:
    terminal.follow("$ PHOTO='a lake.jpg'\n", stays=False)
    terminal.follow("$ LARGE=$(echo large $PHOTO)\n", stays=False)
    terminal.follow('$ echo "$LARGE"\nlarge a lake.jpg\n', stays=False)


def test_a_port_in_a_variable_is_the_one_of_this_time(terminal: Terminal) -> None:
    terminal.follow("$ LAB=http://127.0.0.1:8000\n", stays=False)
    assert terminal.variables == {"LAB": f"http://127.0.0.1:{terminal.ports['8000']}"}


def test_a_variable_that_stays_empty_is_an_error(terminal: Terminal) -> None:
    with pytest.raises(AssertionError, match="ORDER is empty"):
        terminal.follow("$ ORDER=$(true)\n", stays=False)


def test_a_command_that_shows_nothing_is_an_error(terminal: Terminal) -> None:
    with pytest.raises(AssertionError, match="nothing is shown"):
        terminal.follow("$ true\n", stays=False)
