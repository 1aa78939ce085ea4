"""Start a chapter again: its files as they were, and what you had kept elsewhere."""

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from workbench import control
from workbench.chapter import ROOT, VAR, Chapter
from workbench.errors import UserError

KEPT = VAR / "kept"


def reset(wanted: Chapter, runs: Path) -> Path | None:
    """Restore a chapter's files; return the folder with what was there, None if all was new.

    What a lab has stored (its photos, rows and messages) goes into that folder as well.
    """
    if any(run.chapter == wanted.name for run in control.runs(runs)):
        raise UserError(
            f"{wanted.name} is running: stop it with Ctrl-C in its terminal, then again."
        )
    if _git("rev-parse", "--show-toplevel").strip() != str(ROOT.resolve()):
        raise UserError(f"{ROOT} is no git clone: only a clone knows how its files were.")
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", str(wanted.path))
    # Its own `var/` is from a lab that was started by hand.
    stored = [folder for folder in (VAR / wanted.name, wanted.path / "var") if folder.exists()]
    if not changed and not stored:
        return None
    kept = KEPT / f"{wanted.name}-{datetime.now():%Y-%m-%d-%H%M%S}"
    half = kept.with_suffix(".part")
    if changed:  # all is copied before anything is restored
        ignored = shutil.ignore_patterns("__pycache__", "var")
        shutil.copytree(wanted.path, half / wanted.name, ignore=ignored, symlinks=True)
    half.mkdir(parents=True, exist_ok=True)
    half.rename(kept)
    _git("restore", "--source=HEAD", "--staged", "--worktree", "--", str(wanted.path))
    _git("clean", "-fdq", "--", str(wanted.path))
    for number, folder in enumerate(stored):
        shutil.move(folder, kept / f"var{number or ''}")
    return kept


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"git {words[0]} failed, and nothing is lost: {done.stderr.strip()}")
    return done.stdout
