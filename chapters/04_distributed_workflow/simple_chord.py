"""An album's workflow, as simple as it can be: `python simple_chord.py ALBUM_ID`."""

import sys

from celery import chain, chord

from lab import create_app
from lab.db import db
from lab.models import Album
from lab.tasks import (
    develop_or_report,
    make_contact_sheet,
    note_failure,
    publish_album,
)

with create_app().app_context():
    album = db.session.get_one(Album, sys.argv[1])
    header = [develop_or_report.s(photo.id) for photo in album.photos]
    body = chain(make_contact_sheet.s(album.id), publish_album.s())
    body.on_error(note_failure.s(album.id))
    result = chord(header)(body)
    print(repr(result.get(timeout=60, propagate=False)))
