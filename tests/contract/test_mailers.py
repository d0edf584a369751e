"""Every mailer sends what it is given, and says alike why it did not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import pytest

from shared.dev_stack.embedded.server import free_port
from shared.errors import Unavailable
from shared.urls.mail import SmtpServer
from tests.support.certificates import certified
from tests.support.mail_servers import LOGIN, mail_server
from tests.support.patience import until_here
from write_side.adapters.mail.folder import FolderMailer
from write_side.adapters.mail.message import message_of
from write_side.adapters.mail.smtp import SmtpLimits, SmtpMailer
from write_side.adapters.memory import MemoryMailer
from write_side.domain.values import EmailAddress
from write_side.ports import Mail, Mailer, MailRefused

SENDER = Address("Müster", "muster", "example.org")
USER = ":".join(quote(each, safe="") for each in LOGIN)


def mail(to: str = "andre@example.org", **changes) -> Mail:
    about = {
        "id": UUID(int=7),
        "subject": "Bestätigen Sie Ihre Adresse",
        "text": "Grüße: https://muster.example/verify-email?token=" + "A" * 76 + "\n",
        "html": "<p>Grüße</p>\n",
        "locale": "de",
        "at": datetime(2026, 11, 30, tzinfo=UTC),
    }
    return Mail(to=EmailAddress.parse(to), **(about | changes))


@dataclass(frozen=True)
class Mailing:
    """A mailer, what came of what it sent, and whether others have that for good."""

    mailer: Mailer
    messages: Callable[[], Sequence[EmailMessage]]
    is_handed_over: bool = False


@pytest.fixture(params=["memory", "folder", "smtp"])
async def mailing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mailing]:
    match request.param:
        case "memory":
            mailer = MemoryMailer()
            yield Mailing(mailer, lambda: [message_of(each, sender=SENDER) for each in mailer.sent])
        case "folder":
            folder = tmp_path / "mail"
            yield Mailing(FolderMailer(folder, sender=SENDER), lambda: list(map(read, folder.iterdir())))
        case "smtp":
            async with mail_server() as server:
                mailer = SmtpMailer(SmtpServer.parse(f"smtp://127.0.0.1:{server.port}"), sender=SENDER)
                yield Mailing(mailer, lambda: [each.message for each in server.taken], is_handed_over=True)
                await mailer.aclose()


def read(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=default)


async def test_what_is_forgotten_is_kept_no_more(mailing):
    """A mail server has it for good; others stay."""
    for number in (7, 8):
        await mailing.mailer.send(mail(id=UUID(int=number), text=f"{number}\n"))

    await mailing.mailer.forget([UUID(int=7), UUID(int=9)])

    left = {each.get_body(("plain",)).get_content().strip() for each in mailing.messages()}
    assert left == ({"7", "8"} if mailing.is_handed_over else {"8"})


async def test_a_mail_arrives_as_it_was_written(mailing):
    await mailing.mailer.send(mail())

    [message] = mailing.messages()
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert (message["From"], message["To"]) == ("Müster <muster@example.org>", "andre@example.org")
    assert message["Subject"] == "Bestätigen Sie Ihre Adresse"
    assert (message["Content-Language"], message["Auto-Submitted"]) == ("de", "auto-generated")
    assert message["Date"].datetime == datetime(2026, 11, 30, tzinfo=UTC)
    assert plain.get_content().replace("\r\n", "\n") == mail().text
    assert html.get_content().replace("\r\n", "\n") == mail().html


async def test_a_mail_that_is_sent_again_has_the_same_id(mailing):
    await mailing.mailer.send(mail())
    await mailing.mailer.send(mail())

    assert {message["Message-ID"] for message in mailing.messages()} == {f"<{UUID(int=7)}@example.org>"}


@pytest.mark.parametrize("to", ["a,b@example.org", "<x>@example.org", '"x"@example.org', "a;b:c@example.org"])
async def test_an_address_is_one_address_whatever_signs_are_in_it(mailing, to):
    await mailing.mailer.send(mail(to))

    [message] = mailing.messages()
    [address] = message["To"].addresses
    assert (address.username, address.domain) == tuple(to.rsplit("@", 1))


async def test_a_domain_is_written_in_ascii(mailing):
    await mailing.mailer.send(mail("jo@bücher.example"))

    [message] = mailing.messages()
    assert str(message["To"]) == "jo@xn--bcher-kva.example"


async def test_a_local_part_may_be_in_any_script(mailing):
    await mailing.mailer.send(mail("jürgen@example.org"))

    assert len(mailing.messages()) == 1


def smtp(url: str, **limits: float) -> SmtpMailer:
    return SmtpMailer(SmtpServer.parse(url), sender=SENDER, limits=SmtpLimits(**limits))


@pytest.mark.parametrize("way", ["tls", "starttls"])
async def test_a_server_is_spoken_to_by_tls_and_with_a_password(way, tmp_path):
    certificate = certified(tmp_path)
    async with mail_server(**{way: certificate}, login=True) as server:
        scheme, query = ("smtps", "") if way == "tls" else ("smtp", "starttls=required&")

        url = f"{scheme}://{USER}@127.0.0.1:{server.port}?{query}ssl_ca_certs={certificate.certificate}"
        await smtp(url).send(mail())

        assert len(server.taken) == 1


@pytest.mark.parametrize("way", ["tls", "starttls"])
async def test_a_certificate_that_is_not_trusted_is_no_server(way, tmp_path):
    async with mail_server(**{way: certified(tmp_path)}) as server:
        scheme, query = ("smtps", "") if way == "tls" else ("smtp", "?starttls=required")

        with pytest.raises(Unavailable):
            await smtp(f"{scheme}://127.0.0.1:{server.port}{query}").send(mail())

        assert server.taken == []


async def test_a_server_without_tls_is_none_where_it_is_required():
    """Nothing is sent in the clear because what stands in between has taken STARTTLS away."""
    async with mail_server() as server:
        with pytest.raises(Unavailable):
            await smtp(f"smtp://127.0.0.1:{server.port}?starttls=required").send(mail())

        assert server.taken == []


async def test_a_wrong_password_is_mended_and_the_mail_sent_later(tmp_path):
    certificate = certified(tmp_path)
    async with mail_server(tls=certificate, login=True) as server:
        url = f"smtps://muster:wrong@127.0.0.1:{server.port}?ssl_ca_certs={certificate.certificate}"

        with pytest.raises(Unavailable, match="535"):
            await smtp(url).send(mail())


@pytest.mark.parametrize(
    ("command", "answer", "error"),
    [
        ("andre@example.org", "550 andre@example.org is not known here", MailRefused),
        ("andre@example.org", "451 andre@example.org comes back soon", Unavailable),
        ("DATA", "554 no spam for andre@example.org", MailRefused),
        ("DATA", "452 the disk of andre@example.org is full", Unavailable),
    ],
)
async def test_a_server_that_says_no_is_heard_and_not_quoted(command, answer, error):
    """What it says may name the address, and errors end in logs."""
    async with mail_server() as server:
        server.answers[command] = answer

        with pytest.raises(error) as raised:
            await smtp(f"smtp://127.0.0.1:{server.port}").send(mail())

    assert "andre" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_a_server_that_is_away_is_unavailable():
    with pytest.raises(Unavailable):
        await smtp(f"smtp://127.0.0.1:{free_port()}").send(mail())


async def test_a_server_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(Unavailable):
            await smtp(f"smtp://127.0.0.1:{port}", answer_seconds=0.05).send(mail())


async def test_a_server_that_takes_no_addresses_in_other_scripts_refuses_those():
    async with mail_server(enable_SMTPUTF8=False) as server:
        with pytest.raises(MailRefused):
            await smtp(f"smtp://127.0.0.1:{server.port}").send(mail("jürgen@example.org"))


async def test_mails_that_follow_one_another_take_one_connection():
    """Also after one that the server refused."""
    async with mail_server() as server:
        server.answers["no@example.org"] = "550 no"
        mailer = smtp(f"smtp://127.0.0.1:{server.port}")
        await mailer.send(mail())
        with pytest.raises(MailRefused):
            await mailer.send(mail("no@example.org"))
        await mailer.send(mail("andre@example.org", id=UUID(int=8)))
        await mailer.aclose()

        assert len(server.connections) == 1
        assert [each.recipients for each in server.taken] == [["andre@example.org"]] * 2


async def test_what_the_server_has_closed_meanwhile_is_opened_anew():
    async with mail_server() as server:
        mailer = smtp(f"smtp://127.0.0.1:{server.port}")
        await mailer.send(mail())
        server.drop_connections()
        await mailer.send(mail())
        await mailer.aclose()

        assert (len(server.taken), len(server.connections)) == (2, 2)


async def test_a_connection_without_mails_is_ended():
    async with mail_server() as server:
        mailer = smtp(f"smtp://127.0.0.1:{server.port}", idle_seconds=0.01)
        await mailer.send(mail())

        await until_here(lambda: server.connections[0].transport is None)


async def test_mails_at_once_take_connections_of_their_own():
    async with mail_server() as server:
        mailer = smtp(f"smtp://127.0.0.1:{server.port}")
        for _ in range(2):
            await asyncio.gather(*(mailer.send(mail(id=UUID(int=number))) for number in range(3)))
        await mailer.aclose()

        assert (len(server.taken), len(server.connections)) == (6, 3)


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "mail").write_text("no folder")

    with pytest.raises(Unavailable):
        await FolderMailer(tmp_path / "mail", sender=SENDER).send(mail())


async def test_what_was_not_written_to_its_end_is_forgotten_too(tmp_path, monkeypatch):
    """Where the process was killed, or the disk was full: it has the address, and may have the token."""
    mailer = FolderMailer(tmp_path / "mail", sender=SENDER)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(Unavailable):
        await mailer.send(mail())
    before = len(list((tmp_path / "mail").iterdir()))

    await mailer.forget([mail().id])

    assert (before, list((tmp_path / "mail").iterdir())) == (1, [])


def full(*_):
    raise OSError(28, "No space left on device")


async def test_a_file_is_private_and_never_half_a_mail(tmp_path):
    mailer = FolderMailer(tmp_path / "mail", sender=SENDER)

    await mailer.send(mail())

    [path] = (tmp_path / "mail").iterdir()
    assert path.name == f"{UUID(int=7)}.eml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
