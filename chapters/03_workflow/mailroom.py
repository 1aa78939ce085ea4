"""The lab's mail server: aiosmtpd, which speaks real SMTP, in a mood that the reader sets."""

from collections import Counter
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, Envelope, Session

MOODS = {
    "takes": "takes letters",
    "refuses": "refuses them for now (451)",
    "denies": "takes them, and says it didn't (451)",
}


class Mailroom(Mailbox):
    """Keeps letters in a Maildir, a file each."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer a sender."""
        if mood(Path(self.mail_dir)) == "refuses":
            return "451 4.3.2 Not now, the mailroom is having its tea"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer for a recipient."""
        if address.startswith("nobody@"):
            return "550 5.1.1 Nobody of that name lives here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep a letter."""
        said: str = await super().handle_DATA(server, session, envelope)
        denies = mood(Path(self.mail_dir)) == "denies"
        return "451 4.3.0 Lost it, send it again" if denies else said


def mood(maildir: Path) -> str:
    """Return what the mail server does with letters: a key of MOODS."""
    file = mood_file(maildir)
    found = file.read_text() if file.exists() else ""
    return found if found in MOODS else "takes"


def mood_file(maildir: Path) -> Path:
    """Return where the mood is written: beside the Maildir, which is the mail server's to make."""
    return maildir.with_name("mood")


def arrived(maildir: Path) -> list[dict[str, Any]]:
    """Return the latest letters. One that came several times is there once, with the number."""
    files = sorted(maildir.glob("new/*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    read = BytesParser(policy=default).parsebytes
    mails = {path: read(path.read_bytes()) for path in files[:100]}
    copies = Counter(str(mail["Message-ID"]) for mail in mails.values())
    return [
        {
            "id": path.name,
            "to": str(mail["To"]),
            "subject": str(mail["Subject"]),
            "at": path.stat().st_mtime,
            "text": body.get_content() if (body := mail.get_body(("plain",))) else "",
            "sheet": next((part.get_content() for part in mail.iter_attachments()), None),
            "copies": copies.pop(message_id),
        }
        for path, mail in mails.items()
        if (message_id := str(mail["Message-ID"])) in copies
    ]
