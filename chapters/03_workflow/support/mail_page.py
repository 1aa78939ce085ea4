"""The page's view of the mail server: what has arrived there, and how it behaves."""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, current_app, request

from support import mail_server

bp = Blueprint("mail", __name__)


def mail_folder() -> Path:
    """Return the mail server's folder."""
    return Path(current_app.config["DIR"]) / "mail"


@bp.get("/mail")
def list_mail() -> dict[str, Any]:
    """List the letters that have arrived, and say how the mail server behaves."""
    return {
        "behaviour": mail_server.read_behaviour(mail_folder()),
        "behaviours": mail_server.BEHAVIOURS,
        "letters": mail_server.list_letters(mail_folder()),
    }


@bp.post("/mail/behaviour")
def set_behaviour() -> dict[str, str]:
    """Tell the mail server how to behave from now on."""
    behaviour = request.form.get("behaviour", "")
    if behaviour not in mail_server.BEHAVIOURS:
        words = ", ".join(mail_server.BEHAVIOURS)
        abort(422, f"Send a form in which 'behaviour' is one of: {words}.")
    mail_server.write_behaviour(mail_folder(), behaviour)
    return {"behaviour": behaviour}


@bp.get("/mail/<letter_id>/print.jpg")
def get_print(letter_id: str) -> Response:
    """Send the print that came with a letter."""
    jpeg = mail_server.read_print(mail_folder(), letter_id)
    if jpeg is None:
        abort(404, "There is no letter with this id that has a print.")
    return Response(jpeg, mimetype="image/jpeg")
