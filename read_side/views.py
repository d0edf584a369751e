"""What the read side asks its read models: the interfaces, and why they may not answer."""

from typing import Literal, NamedTuple, Protocol, Self

import msgspec

from read_side.freshness import Freshness
from shared.records import Sealed

Variant = Literal["full", "public"]
"""Which of a person's two documents is wanted: with what only some may see, or without."""


class Unreadable(Exception):
    """A read model cannot answer, which is not the same as having nothing to tell."""


class NeverFilled(Unreadable):
    """No generation is live: the first fill is not complete, or Redis lost everything."""


class ReadModelUnavailable(Unreadable):
    """Redis cannot be reached, or what it says cannot be used."""


class EvictionPossible(Unreadable):
    """Redis may throw records away when memory runs short, so that a missing one proves nothing."""


class Overloaded(Unreadable):
    """More is being asked than can be read in any reasonable time."""


class Answer(NamedTuple):
    """One document, or None where there is none, as of `position`."""

    position: int
    document: Sealed | None


class ProfileKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of profiles, each kind in the order asked for; ids in lower case."""

    ids: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()


class Batch(NamedTuple):
    """The documents found for many keys, each person once, and the keys nobody has, as of `position`."""

    position: int
    found: tuple[Sealed, ...]
    missing: ProfileKeys


class ProfileViews(Protocol):
    """
    People's profiles, as the projection `profiles` keeps them; they can be asked while it is entered.

    An answer's position is the checkpoint of the projection that answered: the answer reflects every event up to it.
    Handles, e-mail addresses and external ids are compared as uniqueness compares them, and a document that is found
    carries the key that was asked for.

    Every question raises `NeverFilled`, `ReadModelUnavailable`, `EvictionPossible` or `Overloaded` rather than say
    that there is nothing.
    """

    freshness: Freshness
    """Those who wait for this projection."""

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Answer:
        """Return the profile with this id, a UUID in lower case."""

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Answer: ...

    async def by_email(self, email: str, *, variant: Variant = "full") -> Answer: ...

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Answer: ...

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Batch:
        """Return the profiles that any of these keys name."""

    async def position(self) -> int:
        """Return the checkpoint of the projection that would answer now."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...
