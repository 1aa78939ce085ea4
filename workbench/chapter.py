"""A chapter as the workbench sees it: a folder with a Procfile and requirements."""

import importlib.metadata
import os
import re
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile
from packaging.requirements import Requirement

from workbench.errors import UserError

ROOT = Path(os.environ.get("WORKBENCH_ROOT") or Path(__file__).resolve().parent.parent)
VAR = Path(os.environ.get("WORKBENCH_VAR") or ROOT / "var")  # all that a run writes


@dataclass(frozen=True)
class Chapter:
    """A folder below chapters/."""

    path: Path

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.path.name

    def processes(self) -> dict[str, str]:
        """Return the Procfile's commands by name."""
        return dict(parse_procfile((self.path / "Procfile").read_text()).processes)

    def ports(self) -> dict[str, int]:
        """Return the ports that the Procfile names besides PORT, with the numbers it gives them."""
        text = (self.path / "Procfile").read_text()
        return {name: int(number) for name, number in re.findall(r"\$\{(\w+_PORT):-(\d+)\}", text)}

    def check_requirements(self) -> None:
        """Raise UserError if this Python lacks something that the chapter's requirements name."""
        for line in (self.path / "requirements.txt").read_text().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            wanted = Requirement(line)
            try:
                found = importlib.metadata.version(wanted.name)
            except importlib.metadata.PackageNotFoundError:
                found = None
            if found is None or found not in wanted.specifier:
                what = f"is {found}" if found else "is missing"
                raise UserError(
                    f"{wanted.name} {what}, {self.name} needs {wanted}: delete the folder .venv, "
                    "then 'make run' makes it anew."
                )


def chapters() -> list[Chapter]:
    """Return all chapters, in order."""
    return [Chapter(path.parent) for path in sorted(ROOT.glob("chapters/*/Procfile"))]


def find(word: str) -> Chapter:
    """Return the chapter whose name begins with a word, such as 01; also 1, or a folder."""
    number = word.zfill(2) if word.isdigit() else Path(word).name
    found = [chapter for chapter in chapters() if number and chapter.name.startswith(number)]
    if len(found) != 1:
        names = ", ".join(chapter.name for chapter in chapters())
        raise UserError(f"There is no chapter '{word}': choose one of {names}.")
    return found[0]
