"""Mails to people."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from write_side.domain.values import EmailAddress


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """
    A mail to one person.

    :param id: two with one id are the same mail, which was sent again; its Message-ID is made of it.
    :param locale: of its texts, as in `Content-Language`.
    """

    id: UUID
    to: EmailAddress
    subject: str
    text: str
    html: str
    locale: str
    at: datetime


class MailRefused(Exception):
    """The mail will never be taken, such as for an address that there is not; the text is the server's status alone."""


class Mailer(Protocol):
    """A way to send mail."""

    async def send(self, mail: Mail) -> None:
        """
        Hand a mail over, to be delivered to its address; return once it has been taken.

        :raises Unavailable: it may be taken later. Whether it was not taken now is not certain.
        :raises MailRefused: it never will be.
        """

    async def forget(self, ids: Collection[UUID]) -> None:
        """
        Remove mails that were kept; of others nothing is known any more.

        :raises Unavailable: they may be removed later.
        """

    async def aclose(self) -> None:
        """End what is kept open for the next mail."""


class TokenKey(Protocol):
    """The key that seals what is mailed to people, of this directory alone."""

    async def read(self) -> bytes:
        """:raises Unavailable: it cannot be read now."""
