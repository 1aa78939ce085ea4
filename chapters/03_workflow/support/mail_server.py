"""A mail server for this machine only: it speaks real SMTP, and behaves as you tell it.

`python -m aiosmtpd -c support.mail_server.MailServer FOLDER` runs it.
"""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, Envelope, Session

BEHAVIOURS = {
    "accepts": "accepts letters",
    "refuses": "refuses letters for now (451)",
    "accepts and denies": "accepts letters, but answers that it didn't (451)",
}
SHOWN = 100  # letters


class MailServer(Mailbox):
    """Keeps the letters in a Maildir, a file for each."""

    def __init__(self, mail_dir: str) -> None:
        super().__init__(Path(mail_dir))
        print(f"The mail server keeps letters in {mail_dir}", flush=True)

    async def handle_MAIL(  # noqa: N802 aiosmtpd's names are SMTP's
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Answer a sender."""
        if read_behaviour(Path(self.mail_dir)) == "refuses":
            return say("451 4.3.2 Try again later", address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Answer for a recipient."""
        if address.startswith("nobody@"):
            return say("550 5.1.1 There is no such mailbox", address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a letter."""
        answer: str = await super().handle_DATA(server, session, envelope)
        if read_behaviour(Path(self.mail_dir)) == "accepts and denies":
            answer = "451 4.3.0 The letter was lost, send it again"
        return say(answer, envelope.rcpt_tos[0])


def say(answer: str, address: str) -> str:
    """Print an answer and return it: one line a letter."""
    print(f"{address}: {answer}", flush=True)
    return answer


def read_behaviour(mail_dir: Path) -> str:
    """Return how the mail server behaves: a key of BEHAVIOURS."""
    file = behaviour_file(mail_dir)
    found = file.read_text() if file.exists() else ""
    return found if found in BEHAVIOURS else "accepts"


def write_behaviour(mail_dir: Path, behaviour: str) -> None:
    """Tell the mail server how to behave from now on."""
    behaviour_file(mail_dir).write_text(behaviour)


def behaviour_file(mail_dir: Path) -> Path:
    """Return the file that says it. It isn't in the Maildir: that is the server's."""
    return mail_dir.with_name("mail_behaviour")


def list_letters(mail_dir: Path) -> list[dict[str, Any]]:
    """Return the letters that arrived, the latest first; copies of one are counted."""
    files = sorted(mail_dir.glob("new/*"), key=modified_at, reverse=True)
    letters: dict[str, dict[str, Any]] = {}
    for file in files[:SHOWN]:
        letter = read_letter(file)
        first = letters.setdefault(letter["message_id"], letter)
        first["copies"] += 1
    return list(letters.values())


def modified_at(file: Path) -> int:
    """Return when a file was written, in nanoseconds."""
    return file.stat().st_mtime_ns


def read_letter(file: Path) -> dict[str, Any]:
    """Return what the page shows of a letter."""
    message = BytesParser(policy=default).parsebytes(file.read_bytes())
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return {
        "id": file.name,
        "message_id": str(message["Message-ID"]),
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "arrived_at": file.stat().st_mtime,
        "text": body.get_content() if body else "",
        "has_print": any(message.iter_attachments()),
        "copies": 0,
    }


def read_print(mail_dir: Path, letter_id: str) -> bytes | None:
    """Return the print that came with a letter; None if there is no such letter."""
    if letter_id not in [file.name for file in mail_dir.glob("new/*")]:
        return None
    file = mail_dir / "new" / letter_id
    message = BytesParser(policy=default).parsebytes(file.read_bytes())
    for part in message.walk():
        if part.get_content_type() == "image/jpeg":
            return bytes(part.get_payload(decode=True))
    return None
