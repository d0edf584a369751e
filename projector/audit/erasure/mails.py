"""Mails in a folder, as what people read in them."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import idna

from projector.audit.erasure.search import PersonalSearch
from shared.private_files import unfinished_of


class KeptMail(NamedTuple):
    """
    A mail.

    :param texts: its headers and its parts, decoded, and its recipient.
    """

    path: Path
    texts: Sequence[str]

    def naming(self, account_id: UUID) -> Sequence[int]:
        """Return which of the texts name the account, as it is or in a token that verifies its address."""
        forms = str(account_id), token_beginning(account_id)
        return [nth for nth, text in enumerate(self.texts) if any(form in text for form in forms)]

    def is_about(self, account_id: UUID, search: PersonalSearch) -> bool:
        return bool(self.naming(account_id)) or search.is_in_any(self.texts)


def kept_mails(folder: Path) -> Iterator[KeptMail]:
    """
    Read the mails of a folder; there need be none, and what is removed meanwhile is left out.

    Unfinished ones come first: one that gets its name meanwhile is found under it.
    """
    finished = Path("*.eml")
    for name in (unfinished_of(finished), finished):
        for path in sorted(folder.glob(str(name))):
            with suppress(FileNotFoundError):
                yield KeptMail(path, _texts(path.read_bytes()))


def _texts(content: bytes) -> Sequence[str]:
    """Return what people read, and of a mail that Python's parser does not take, because it was cut off, its bytes."""
    try:
        message = message_from_bytes(content, policy=default)
        parts: Iterable[str] = [each.get_content() for each in message.walk() if each.get_content_maintype() == "text"]
        return [*map(str, message.values()), _recipient(message), *parts]
    except LookupError:
        cut = message_from_bytes(content)
        payloads = [each.get_payload(decode=True) for each in cut.walk() if not each.is_multipart()]
        return [each.decode(errors="replace") for each in (content, *payloads) if isinstance(each, bytes)]


def _recipient(message: EmailMessage) -> str:
    """Return the address with the domain that people read, which the header has in ASCII."""
    local_part, _, domain = str(message["To"]).rpartition("@")
    try:
        return f"{local_part}@{idna.decode(domain)}"
    except idna.IDNAError:
        return ""


def token_beginning(account_id: UUID) -> str:
    """Return how the tokens of an account begin that are mailed: form and id, as far as whole characters go."""
    return urlsafe_b64encode(b"\x01" + account_id.bytes).decode()[:22]
