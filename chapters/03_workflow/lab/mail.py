"""A letter becomes a mail, and a mail server's answer one of two errors."""

import smtplib
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING

from lab.db import folder

if TYPE_CHECKING:
    from lab.post import Letter


class BusyError(Exception):
    """The server says: not now (4xx). Trying again may help."""


class RefusedError(Exception):
    """The server says: no (5xx). Trying again would not help."""


def send(mail: EmailMessage, port: int) -> None:
    """Hand a mail to the server on this machine. Raise BusyError, RefusedError, or OSError."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, said),) = error.recipients.values()
        raise refusal(code, said) from None
    except smtplib.SMTPResponseException as error:
        raise refusal(error.smtp_code, error.smtp_error) from None


def refusal(code: int, said: bytes | str) -> Exception:
    """Return what a server's answer means: 4xx or 5xx (RFC 5321, 4.2.1)."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return (RefusedError if code >= 500 else BusyError)(f"{code} {text}")


def envelope(letter: "Letter") -> EmailMessage:
    """Return a letter as a mail. However often it is sent, its Message-ID is the same."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "lab@photo-lab.example", letter.to
    mail["Subject"], mail["Date"] = letter.subject, formatdate()
    mail["Message-ID"] = f"<{letter.id}@photo-lab.example>"
    mail.set_content(letter.text)
    if letter.picture:
        picture = folder(letter.picture).read_bytes()
        mail.add_attachment(picture, maintype="image", subtype="jpeg", filename="sheet.jpg")
    return mail
