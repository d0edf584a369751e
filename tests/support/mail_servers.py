"""Mail servers of which a test says what they answer, and what they took."""

import asyncio
import ssl
import warnings
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope

from shared.dev_stack.embedded.server import free_port
from tests.support.certificates import Certified

LOGIN = ("muster", "s3cret, with: signs@")


class Taken(NamedTuple):
    """A mail that a server took, with the envelope it came in."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class MailServer:
    """Speaks SMTP on a port of this machine."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answers: dict[str, str] = {}
        """Its answers to those who send to an address; to all others it says that the mail is taken."""
        self.port = 0
        self.connections: list[SMTP] = []
        """All that there ever were."""

    def drop_connections(self) -> None:
        """Lose the line to every client, as a server does that is killed."""
        for each in self.connections:
            if isinstance(each.transport, asyncio.WriteTransport):
                each.transport.abort()

    async def handle_RCPT(self, _: SMTP, __: object, envelope: Envelope, address: str, ___: object) -> str:  # noqa: N802
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: object, envelope: Envelope) -> str:  # noqa: N802
        if answer := self.answers.get("DATA"):
            return answer
        message = message_from_bytes(envelope.content, policy=default)
        self.taken.append(Taken(envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"


@asynccontextmanager
async def mail_server(
    *,
    tls: Certified | None = None,
    starttls: Certified | None = None,
    login: bool = False,
    port: int = 0,
    **options: bool,
) -> AsyncIterator[MailServer]:
    """
    Run a server; its connections end with it.

    :param tls: its certificate, if it speaks TLS from the first byte.
    :param starttls: its certificate, if it speaks TLS from STARTTLS on, and nothing but that before.
    :param login: whether it takes mail from nobody but `LOGIN`.
    """
    mails = MailServer()
    if starttls:
        options |= {"tls_context": _context(starttls), "require_starttls": True}
    if login:
        options |= {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": bool(starttls)}
    options = {"enable_SMTPUTF8": True, **options}

    def serve() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it takes the line for open that has TLS from the first byte
            mails.connections.append(SMTP(mails, hostname="mail.example", **options))
            return mails.connections[-1]

    listener = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", port, ssl=tls and _context(tls))
    try:
        [socket] = listener.sockets
        mails.port = socket.getsockname()[1]
        yield mails
    finally:
        listener.close()
        mails.drop_connections()


class Mailbox:
    """What a mail server took that comes and goes at one address."""

    def __init__(self) -> None:
        self.port = free_port()
        self._servers: list[MailServer] = []
        self._running = AsyncExitStack()

    async def come(self) -> None:
        self._servers.append(await self._running.enter_async_context(mail_server(port=self.port)))

    async def go(self) -> None:
        await self._running.aclose()

    @property
    def taken(self) -> list[Taken]:
        return [mail for server in self._servers for mail in server.taken]

    @property
    def ids(self) -> dict[str, Counter[str]]:
        """By address, how often which mail has come."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for mail in self.taken:
            found[mail.recipients[0]][mail.message["Message-ID"]] += 1
        return found


def _context(certified: Certified) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certified.certificate, certified.key)
    return context


def _authenticate(_: SMTP, __: object, ___: object, ____: str, data) -> AuthResult:
    is_right = (data.login.decode(), data.password.decode()) == LOGIN
    return AuthResult(success=is_right, handled=is_right)
