"""Commands for those who keep the project up, or take it along: python -m tools."""

import sys
from pathlib import Path

import click

from workbench import chapter
from workbench.cli import quiet_end
from workbench.errors import UserError
from xray.signals import end_like_ctrl_c


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Keep the project up, or take it along."""
    end_like_ctrl_c()


@main.command("offline")
@click.option("--folder", type=click.Path(path_type=Path), envvar="FOLDER", help="Where to.")
@click.option("--pythons", envvar="PYTHONS", help="For these only, as in '3.11 3.13'.")
@click.option("--systems", envvar="SYSTEMS", help="For these only, as in 'linux-x86_64'.")
@click.option("--lock", envvar="LOCK", default="requirements.txt", help="Or requirements-run.txt.")
def take_along(folder: Path | None, pythons: str | None, systems: str | None, lock: str) -> None:
    """Fill a folder for a memory stick: the repository, and the wheels that it installs from."""
    from tools import offline

    folder = (folder or chapter.VAR / "offline").absolute()
    wanted = [
        (python, system)
        for system in offline.choose(systems, [*offline.SYSTEMS])
        for python in offline.choose(pythons, offline.PYTHONS)
    ]
    with quiet_end():
        if offline.clone(folder):
            click.echo("What isn't committed here isn't in it.")
        for python, system in wanted:
            click.echo(f"Wheels for Python {python} on {system} ...")
            offline.download(chapter.ROOT / lock, folder / "wheels", python, system)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        click.echo(f"{size:.0f} MB in {folder}: copy it to a laptop, and type 'make run' there.")


@main.command("lock")
@click.option("--upgrade", is_flag=True, envvar="UPGRADE", help="With the newest versions.")
def write_locks(upgrade: bool) -> None:
    """Write both locks anew from requirements.in."""
    from tools import locks

    locks.write(chapter.ROOT, upgrade=upgrade)


@main.command("newest")
@click.argument("paths", nargs=-1, metavar="[TESTS]...")
def look_at_the_world(paths: tuple[str, ...]) -> None:
    """Run the whole suite with the newest versions, in a clone with an environment of its own.

    With TESTS (paths) only these are run, and nothing is written down.
    """
    from tools import newest

    clone = chapter.VAR / "newest"
    with quiet_end():
        newest.clone(clone)
        newest.resolve(clone)
        before, now = (newest.versions(root / newest.LOCK) for root in (chapter.ROOT, clone))
        changed = newest.changes(before, now)
        click.echo(
            "\n".join(["Other than in the lock:", *changed] if changed else ["All as locked."])
        )
        targets = ["test"] if paths else ["test", "test-slow"]
        broken = [test for target in targets for test in newest.run_tests(clone, target, *paths)]
        click.echo("\n".join(["Broken:", *broken] if broken else ["Nothing is broken."]))
        if not broken and not paths:
            newest.write_down(now)
            click.echo("The README says so. To take these versions: make lock UPGRADE=1")
        sys.exit(1 if broken else 0)
    sys.exit(1)


@main.command("slides")
@click.argument("chapter_names", metavar="[CHAPTER]...", nargs=-1)
def make_slides(chapter_names: tuple[str, ...]) -> None:
    """Make slides of the notebooks of each CHAPTER (01, 02, ...), or of all, from their outputs."""
    try:
        from tools import slides
    except ModuleNotFoundError as lack:
        raise UserError(f"{lack.name} is missing: 'make slides' installs it first.") from None

    for page in slides.write(slides.find(chapter_names), chapter.VAR / "slides"):
        click.echo(page)


@main.command("guide")
def make_guide() -> None:
    """Make a page of the field guide that finds the entries for words on your screen."""
    try:
        from tools import guide
    except ModuleNotFoundError as lack:
        raise UserError(f"{lack.name} is missing: 'make guide' installs it first.") from None

    click.echo(f"Open {guide.write(chapter.VAR).as_uri()}")


@main.command("samples")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
def draw_samples(folders: tuple[Path, ...]) -> None:
    """Draw the sample photos of the photo lab into each of FOLDERS."""
    from tools import sample_photos

    for folder in folders:
        sample_photos.write(folder)


@main.command("picture")
def take_picture() -> None:
    """Take the pictures of pages that the README shows."""
    from tools import picture

    picture.take()
