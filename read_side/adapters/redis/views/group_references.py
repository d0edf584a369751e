"""Groups as they are named: by id or by slug."""

import re
from collections.abc import Awaitable, Callable

from read_side.adapters.redis.transport.consistent_read import Ask, Attempt, ConsistentRead
from read_side.adapters.redis.transport.reads import Field
from read_side.adapters.redis.views.unique_entries import BY_SLUG, find_by_key
from read_side.views import Match
from shared.read_model.envelope import unseal

_is_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


Consistently = Callable[[Callable[[], Awaitable[Attempt[Match]]]], Awaitable[Match]]
"""Looks until nothing moves meanwhile."""


class GroupReference:
    """
    A name of a group: whatever looks like an id is one, since no slug may.

    :param documents: what a view calls the hash of documents that carry slugs.
    """

    def __init__(self, text: str, *, documents: str) -> None:
        self._text = text
        self._documents = documents
        self.is_id = _is_id(text.lower()) is not None

    async def lead(self, read: ConsistentRead) -> bytes | None:
        """The id of the group that it leads to, which may not be there; None if it leads nowhere."""
        if self.is_id:
            return self._text.lower().encode()
        (lead,) = (await read.ask(BY_SLUG.field(self._text))).values
        return lead

    def field(self, lead: bytes) -> Field:
        """Ask for what `is_of` judges."""
        return Field(self._documents, lead)

    def is_of(self, envelope: bytes | None) -> bool:
        """Whether this is the document of the group; a slug may have moved on since it led there."""
        return envelope is not None if self.is_id else BY_SLUG.finds(self._text, envelope)

    async def document(self, ask: Ask, consistently: Consistently) -> Match:
        """Return the group's document."""
        if not self.is_id:
            return await consistently(lambda: find_by_key(ask, BY_SLUG, self._text))
        read = ConsistentRead(ask)
        (envelope,) = (await read.ask(self.field(self._text.lower().encode()))).values
        return Match(read.position, None if envelope is None else unseal(envelope))
