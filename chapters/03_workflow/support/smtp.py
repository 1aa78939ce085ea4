"""E-mail: build a message, and send it. A refusal becomes one of two errors."""

import smtplib
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

SENDER = "lab@photo-lab.example"


class BusyError(Exception):
    """The server says: not now (4xx). Trying again may help."""


class RefusedError(Exception):
    """The server says: no (5xx). Trying again does not help."""


def email_message(
    message_id: str, to: str, subject: str, text: str, picture: Path | None
) -> EmailMessage:
    """Return an e-mail, with a picture if there is one."""
    message = EmailMessage()
    message["Message-ID"] = message_id
    message["From"] = SENDER
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate()
    message.set_content(text)
    if picture:
        jpeg = picture.read_bytes()
        message.add_attachment(jpeg, "image", "jpeg", filename=picture.name)
    return message


def send(message: EmailMessage, port: int) -> None:
    """Send an e-mail. Raise BusyError, RefusedError, or OSError if nobody answers."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, text)] = error.recipients.values()
        raise refusal(code, text) from None
    except smtplib.SMTPResponseException as error:
        raise refusal(error.smtp_code, error.smtp_error) from None


def refusal(code: int, text: bytes | str) -> BusyError | RefusedError:
    """Return the error for a server's answer, 4xx or 5xx (RFC 5321, 4.2.1)."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if code >= 500:
        return RefusedError(f"{code} {text}")
    return BusyError(f"{code} {text}")
