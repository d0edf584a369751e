"""A mail as the Internet knows it (RFC 5322)."""

from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache, lru_cache
from secrets import token_hex
from typing import Any

from shared.text import unique_email
from write_side.domain.values import EmailAddress
from write_side.ports import Mail


class _Headers(HeaderRegistry):
    """Makes the class of a header once, and what all mails say alike: a quarter of all work for mails would be that."""

    __getitem__ = cache(HeaderRegistry.__getitem__)
    _alike = lru_cache(maxsize=64)(HeaderRegistry.__call__)

    def __call__(self, name: str, value: Any) -> Any:
        return self._alike(name, value) if name in _ALIKE else super().__call__(name, value)


_ALIKE = {"Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Language"}
"""Names of headers that tell nothing of a person: those alone are kept."""


_EIGHT_BITS = SMTP.clone(utf8=True, header_factory=_Headers())
_SEVEN_BITS = SMTP.clone(cte_type="7bit", header_factory=_Headers())
"""What every server takes."""


def message_of(mail: Mail, *, sender: Address) -> EmailMessage:
    """Return the message; its Message-ID is the same whenever the mail is sent."""
    to = recipient_of(mail.to)
    message = EmailMessage(_SEVEN_BITS if to.addr_spec.isascii() else _EIGHT_BITS)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = mail.subject
    message["Date"] = mail.at
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office reply is wanted
    message.set_content(mail.text)
    message.make_alternative(boundary=token_hex(16))  # else a pattern is compiled, to look for one in the texts
    message.add_alternative(mail.html, subtype="html")
    message["Content-Language"] = mail.locale
    return message


def recipient_of(email: EmailAddress) -> Address:
    """Return an address of which no part can be taken for another address, its domain in ASCII (IDNA)."""
    return Address(username=email.rpartition("@")[0], domain=unique_email(email).rpartition("@")[2])
