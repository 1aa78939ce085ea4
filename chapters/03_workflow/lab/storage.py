"""Where the files are: photos and prints, in one folder that web and worker share."""

from pathlib import Path

from flask import current_app


def photos_folder() -> Path:
    """Return the folder of the photos as they were uploaded."""
    return Path(current_app.config["DIR"]) / "photos"


def photo_path(photo_id: str) -> Path:
    """Return a photo's file."""
    return photos_folder() / photo_id


def prints_folder(photo_id: str) -> Path:
    """Return the folder of a photo's prints."""
    return Path(current_app.config["DIR"]) / "prints" / photo_id
