"""Mail servers of which a test says what they answer, and what they took."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope

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
    Run a server.

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
            return SMTP(mails, hostname="mail.example", **options)

    listener = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", port, ssl=tls and _context(tls))
    try:
        [socket] = listener.sockets
        mails.port = socket.getsockname()[1]
        yield mails
    finally:
        listener.close()


def _context(certified: Certified) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certified.certificate, certified.key)
    return context


def _authenticate(_: SMTP, __: object, ___: object, ____: str, data) -> AuthResult:
    is_right = (data.login.decode(), data.password.decode()) == LOGIN
    return AuthResult(success=is_right, handled=is_right)
