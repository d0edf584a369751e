"""Mails handed to a server by SMTP (RFC 5321), those that follow one another on one connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from uuid import UUID

import aiosmtplib
from aiosmtplib.errors import (
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from shared.errors import Unavailable
from shared.urls.mail import SmtpServer
from write_side.adapters.mail.message import message_of, recipient_of
from write_side.ports import Mail, MailRefused

_PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpLimits:
    """
    How long a mail server may take.

    :param answer_seconds: for the connection, and for each of its answers.
    :param mail_seconds: for a mail in all.
    :param idle_seconds: for which a connection is kept for the next mail: less than servers wait.
    """

    answer_seconds: float = 10.0
    mail_seconds: float = 30.0
    idle_seconds: float = 5.0


SMTP_LIMITS = SmtpLimits()


class SmtpMailer:
    """Says of a failure what kind it was, and never what the server answered: servers quote addresses."""

    def __init__(self, server: SmtpServer, *, sender: Address, limits: SmtpLimits = SMTP_LIMITS) -> None:
        self._server = server
        self._sender = sender
        self._limits = limits
        self._idle: list[aiosmtplib.SMTP] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._tls = ssl.create_default_context(cafile=server.ca_certs) if server.has_tls or server.starttls else None

    async def send(self, mail: Mail) -> None:
        try:
            async with asyncio.timeout(self._limits.mail_seconds), self._lent() as client:
                await self._hand_over(mail, client)
        except (SMTPException, OSError) as error:  # among the latter is TimeoutError
            raise Unavailable(_kind_of(error)) from None

    async def forget(self, ids: Collection[UUID]) -> None:
        """Do nothing: a mail that was handed over is not kept."""

    async def aclose(self) -> None:
        await asyncio.gather(*map(_quit, self._idle), *self._leaving)
        self._idle.clear()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Lend a connection; one on which something failed is not kept."""
        client = await self._kept() or await self._connected()
        try:
            yield client
        except MailRefused:
            self._keep(client)
            raise
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def _kept(self) -> aiosmtplib.SMTP | None:
        """Return a connection that still stands; nothing of a former mail is left on it."""
        while self._idle:
            client = self._idle.pop()
            try:
                await client.rset()
            except (SMTPException, OSError):  # the server has closed it, or is to be asked anew
                client.close()
            else:
                return client
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._idle.append(client)
        asyncio.get_running_loop().call_later(self._limits.idle_seconds, self._let_go, client)

    def _let_go(self, client: aiosmtplib.SMTP) -> None:
        if client in self._idle:
            self._idle.remove(client)
            self._leaving.add(task := asyncio.create_task(_quit(client), name="leaving a mail server"))
            task.add_done_callback(self._leaving.discard)

    async def _connected(self) -> aiosmtplib.SMTP:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.has_tls,
            start_tls=server.starttls,
            tls_context=self._tls,
            timeout=self._limits.answer_seconds,
            local_hostname=self._sender.domain,
        )
        await client.connect()
        return client

    async def _hand_over(self, mail: Mail, client: aiosmtplib.SMTP) -> None:
        message, to = message_of(mail, sender=self._sender), recipient_of(mail.to).addr_spec
        options = [] if to.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            await client.sendmail(self._sender.addr_spec, [to], message.as_bytes(), mail_options=options)
        except SMTPNotSupported:
            raise MailRefused("SMTPUTF8 is not supported") from None
        except (SMTPRecipientsRefused, SMTPDataError) as error:
            if (status := _status_of(error)) in _PERMANENT:
                raise MailRefused(str(status)) from None
            raise


async def _quit(client: aiosmtplib.SMTP) -> None:
    with suppress(SMTPException, OSError):
        await client.quit()
    client.close()


def _kind_of(error: Exception) -> str:
    status = f" {error.code}" if isinstance(error, SMTPResponseException) else ""
    return f"the mail server is away ({type(error).__name__}{status})"


def _status_of(error: SMTPRecipientsRefused | SMTPDataError) -> int:
    return error.recipients[0].code if isinstance(error, SMTPRecipientsRefused) else error.code
