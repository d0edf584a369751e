"""A mail server's URL is read once, and nothing secret goes over a line that others can read."""

import pytest

from shared.errors import SettingsError
from shared.settings import Settings
from shared.urls.mail import SmtpServer, sender_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, None, None, False, True)),
        ("smtp://mail.example:25?starttls=never", ("mail.example", 25, None, None, False, False)),
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, None, None, False, False)),
        ("smtp://a:b@localhost", ("localhost", 587, "a", "b", False, False)),
        ("smtps://me%40x.example:p%3A%2F@mail.example", ("mail.example", 465, "me@x.example", "p:/", True, False)),
    ],
)
def test_a_server_is_read_off_its_url(url, expected):
    server = SmtpServer.parse(url)

    assert expected == (
        server.host,
        server.port,
        server.user,
        server.password,
        server.has_tls,
        server.starttls,
    )


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://mail.example", "write smtp://"),
        ("smtp://", "write smtp://"),
        ("smtp://mail.example/inbox", "write smtp://"),
        ("smtp://mail.example:smtp", "write smtp://"),
        ("smtp://user@mail.example", "write smtp://"),
        ("smtp://u:secret@mail.example?starttls=never", "in the clear"),
        ("smtps://mail.example?starttls=required", "leave starttls out"),
        ("smtp://mail.example?starttls=maybe", "starttls cannot be read"),
        ("smtp://mail.example?tls=true", "it takes no 'tls'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line_without_the_password(url, hint):
    with pytest.raises(SettingsError) as refused:
        Settings.load({"MUSTER_SMTP_URL": url})

    assert str(refused.value).startswith("MUSTER_SMTP_URL is not usable: ")
    assert hint in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_password_is_not_shown():
    settings = Settings.load({"MUSTER_SMTP_URL": "smtps://u:hunter2@mail.example"})

    assert "hunter2" not in repr(settings)
    assert "smtps://u:***@mail.example" in repr(settings)


def test_a_sender_may_have_a_name():
    assert str(sender_of("Muster <muster@example.org>")) == "Muster <muster@example.org>"
    assert sender_of("muster@example.org").addr_spec == "muster@example.org"


@pytest.mark.parametrize("text", ["", "muster", "@example.org", "a\nb@example.org", "mü@example.org", "Muster <>"])
def test_a_sender_is_one_address(text):
    with pytest.raises(ValueError, match="write an address"):
        sender_of(text)
