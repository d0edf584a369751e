"""Mails kept in memory."""

from collections.abc import Collection
from uuid import UUID

from shared.errors import Unavailable
from write_side.ports import Mail, MailRefused


class MemoryMailer:
    """Keeps what it is given. `available` plays a server that is away, `refused` are addresses that there are not."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.available = True
        self.refused: set[str] = set()

    async def send(self, mail: Mail) -> None:
        if not self.available:
            raise Unavailable("the mailer in memory was made unavailable")
        if mail.to in self.refused:
            raise MailRefused("550")
        self.sent.append(mail)

    async def forget(self, ids: Collection[UUID]) -> None:
        self.sent = [each for each in self.sent if each.id not in ids]

    async def aclose(self) -> None:
        """Do nothing: nothing is kept open."""
