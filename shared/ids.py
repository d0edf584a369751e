"""Where identities come from."""

from typing import Protocol
from uuid import UUID

from uuid_utils.compat import uuid7


class Ids(Protocol):
    """Makes identities; injected, so that a test knows them."""

    def new(self) -> UUID:
        """Return a new UUID that sorts by time (RFC 9562, version 7)."""


class TimeOrderedIds:
    """Identities made by a library."""

    def new(self) -> UUID:
        return uuid7()
