"""Mails as files."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import UUID

from tests.support.patience import until
from write_side.adapters.mail.message import message_of
from write_side.domain.values import EmailAddress
from write_side.ports import Mail


def letter_to(to: EmailAddress, *, text: str) -> bytes:
    """What a folder has of a mail."""
    at = datetime(2026, 11, 30, tzinfo=UTC)
    mail = Mail(id=UUID(int=1), to=to, subject="About you", text=text, html=f"<p>{text}</p>", locale="en", at=at)
    return message_of(mail, sender=Address("", "muster", "example.org")).as_bytes()


async def mail_to(home: Path, address: str) -> EmailMessage:
    """What was mailed to an address, once it is in the folder of a home."""

    def find() -> EmailMessage | None:
        for path in (home / "mail").glob("*.eml"):
            with suppress(FileNotFoundError):  # an erasure of another test took it
                content = path.read_bytes()
                if address.encode() in content:  # to read all of them as mails takes long
                    message = message_from_bytes(content, policy=default)
                    if message["To"] == address:
                        return message
        return None

    return await until(find)


async def mailed_token(home: Path, address: str) -> str:
    """The token by which an address is verified."""
    text = (await mail_to(home, address)).get_body(("plain",)).get_content()
    return re.search(r"token=([^&\s]+)", text)[1]
