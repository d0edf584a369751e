"""Tokens that are mailed to an address, and prove that what is sent there is read."""

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from write_side.domain.values import EmailAddress

_PURPOSE = b"verify-email"
_FORM = 1
"""Of the layout, which makes 76 characters without padding."""
_LAYOUT = struct.Struct(">B16sQ32s")


class TokenNotGood(Exception):
    """The token was used, has expired, or is not of the account's present address."""

    def __init__(self) -> None:
        super().__init__("The token was used, has expired, or is not of the address that the account has now")


class EmailToken(NamedTuple):
    """
    Names an account, and is sealed for one address of it under the key of this directory (HMAC, RFC 2104).

    The address is not in it. The seal holds for the version with which the account took the address on: an address
    that comes back needs a new token.
    """

    account_id: UUID
    expires_at: int
    """Seconds since 1970."""
    seal: bytes

    @classmethod
    def issue(cls, account_id: UUID, email: EmailAddress, email_version: int, *, key: bytes, until: datetime) -> Self:
        expires_at = int(until.timestamp())
        return cls(account_id, expires_at, _seal(account_id, email, email_version, expires_at, key=key))

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises TokenNotGood: it is none."""
        try:
            form, account_id, expires_at, seal = _LAYOUT.unpack(urlsafe_b64decode(text.strip().encode("ascii")))
        except (ValueError, struct.error):
            raise TokenNotGood from None
        if form != _FORM:
            raise TokenNotGood
        return cls(UUID(bytes=account_id), expires_at, seal)

    def __str__(self) -> str:
        return urlsafe_b64encode(_LAYOUT.pack(_FORM, self.account_id.bytes, self.expires_at, self.seal)).decode()

    def require_sealed(self, email: EmailAddress, email_version: int, *, key: bytes, at: datetime) -> None:
        """:raises TokenNotGood: it was made for another address, elsewhere, or has expired."""
        seal = _seal(self.account_id, email, email_version, self.expires_at, key=key)
        if not hmac.compare_digest(seal, self.seal) or at.timestamp() >= self.expires_at:
            raise TokenNotGood


def _seal(account_id: UUID, email: EmailAddress, email_version: int, expires_at: int, *, key: bytes) -> bytes:
    bound = (_PURPOSE, account_id.bytes, struct.pack(">QQ", expires_at, email_version), email.unique.encode())
    return hmac.digest(key, b"".join(bound), hashlib.sha256)
