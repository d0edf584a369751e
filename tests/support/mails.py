"""Mails as files."""

from datetime import UTC, datetime
from email.headerregistry import Address
from uuid import UUID

from write_side.adapters.mail.message import message_of
from write_side.domain.values import EmailAddress
from write_side.ports import Mail


def letter_to(to: EmailAddress, *, text: str) -> bytes:
    """What a folder has of a mail."""
    at = datetime(2026, 11, 30, tzinfo=UTC)
    mail = Mail(id=UUID(int=1), to=to, subject="About you", text=text, html=f"<p>{text}</p>", locale="en", at=at)
    return message_of(mail, sender=Address("", "muster", "example.org")).as_bytes()
