"""A chapter stands alone: copied elsewhere, with its requirements and a Redis, it works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof.terminal import Terminal
from workbench import chapter
from workbench.brokers import redis_server
from workbench.log import Log


@pytest.mark.slow
@pytest.mark.parametrize("found", chapter.chapters(), ids=lambda found: found.name)
def test_the_commands_by_hand_work_in_a_copy(found: chapter.Chapter, tmp_path: Path) -> None:
    lesson = (found.path / "README.md").read_text()
    by_hand = re.split(r"^## ", lesson.partition("\n## By hand\n")[2], flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```console( stays)?\n(.+?)^```$", by_hand, re.MULTILINE | re.DOTALL)
    blocks = [(how, block) for how, block in blocks if not re.match(r"\^C|\$ make", block)]
    assert len(blocks) > 1

    copy = tmp_path / "chapters" / found.name
    shutil.copytree(found.path, copy, ignore=shutil.ignore_patterns("var", "__pycache__"))
    environment = str(tmp_path / "environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [f"{environment}/bin/python", "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "-r", str(copy / "requirements.txt")], check=True)
    terminal = Terminal(tmp_path, tmp_path / "var", environment)
    redis, _ = redis_server("redis", tmp_path / "redis", Log(), int(terminal.ports["6379"]))
    try:
        redis.launch()
        redis.wait()
        for how, block in blocks:
            terminal.follow(block, stays=bool(how))
    finally:
        terminal.close()
        redis.close()
