"""Where the files are, in one folder that web and worker share."""

from pathlib import Path

from flask import current_app


def photos_folder() -> Path:
    """Return the folder of the photos as they were uploaded."""
    return Path(current_app.config["DIR"]) / "photos"


def prints_folder(photo_id: str) -> Path:
    """Return the folder of a photo's prints."""
    return Path(current_app.config["DIR"]) / "prints" / photo_id


def album_folder(album_id: str) -> Path:
    """Return the folder of an album's contact sheet and of its zip file."""
    return Path(current_app.config["DIR"]) / "albums" / album_id
