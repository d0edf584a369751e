"""Identities made by a library."""

from uuid import UUID

from uuid_utils.compat import uuid7


class TimeOrderedIds:
    """UUIDs of version 7 (RFC 9562)."""

    def new(self) -> UUID:
        return uuid7()
