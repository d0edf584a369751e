"""What the read side asks its read models: the interfaces, and why they may not answer."""

from typing import Literal, NamedTuple, Protocol, Self

import msgspec

from read_side.freshness import Freshness
from shared.errors import Unavailable
from shared.read_model.changes import ChangeItem
from shared.read_model.envelope import Sealed

Variant = Literal["full", "public"]
"""Which of a person's two documents is wanted: with what only some may see, or without."""


class NeverFilled(Unavailable):
    """No generation is live: the first fill is not complete, or Redis lost everything."""


class Match(NamedTuple):
    """One document, or None where there is none, as of `position`."""

    position: int
    document: Sealed | None


class ProfileKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of profiles, each kind in the order asked for; ids in lower case."""

    ids: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()

    @property
    def are_ids(self) -> bool:
        """Whether there are ids among them, and nothing else."""
        return bool(self.ids) and not (self.handles or self.emails or self.external_ids)


class Matches(NamedTuple):
    """
    The documents found for many keys, each person once, and the keys that no profile has, as of `position`.

    :param found: the JSON of each.
    :param tags: see `envelope.Forms`.
    """

    position: int
    found: tuple[bytes, ...]
    missing: ProfileKeys
    tags: tuple[bytes, ...] = ()


class QueryTooBroad(Exception):
    """So many match that they cannot be put into the order asked for; more words, or the default order, help."""


class ProfileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which people, in which order.

    :param statuses: of `active`, `suspended`, `closed`, one or all.
    :param group: the id or slug of a group they belong to; no account belongs to one that does not exist.
    :param tags: they carry all of them.
    :param words: each is the beginning of a word of handle, names, title or tags; see `shared.text.terms`.
    :param order: one of `shared.read_model.ordering.PROFILE_ORDERS`; None: by the word that the longest of `words` (the
        first of equally long ones) begins, then by name. Equal ones are in the order of their ids.
    :param after: the place where the page before ended.
    """

    statuses: tuple[str, ...] = ("active",)
    group: str | None = None
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    order: str | None = "display_name"
    descending: bool = False
    limit: int = 50
    after: bytes | None = None


class GroupQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which groups, in which order: see `ProfileQuery`; `words` are of slug and name."""

    words: tuple[str, ...] = ()
    order: str | None = "name"
    descending: bool = False
    limit: int = 50
    after: bytes | None = None


class MemberQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which members of a group, in the order in which they joined."""

    role: str | None = None
    limit: int = 50
    after: bytes | None = None


class Page(NamedTuple):
    """
    Documents in order, as of `position`; all of them fit the query at one moment.

    :param documents: the JSON of each; None if what they belong to does not exist.
    :param after: the place where the page ends, None if there is no more. A page may be short, even empty, and not be
        the last: a query of several filters looks at so many candidates and no more.
    """

    position: int
    documents: tuple[bytes, ...] | None
    after: bytes | None = None
    tags: tuple[bytes, ...] = ()


class Views(Protocol):
    """
    The records that one projection keeps; they can be read while it is entered.

    An answer's position is the checkpoint of the projection that answered: the answer reflects every event up to it.

    Every question raises `NeverFilled`, `Unavailable`, `EvictionPossible` or `Overloaded` rather than say
    that there is nothing.
    """

    freshness: Freshness
    """Those who wait for this projection."""

    async def position(self) -> int:
        """Return the checkpoint of the projection that would answer now."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


class Reached(NamedTuple):
    """Where a projection stands."""

    position: int


async def standing(views: Views) -> Reached:
    """Ask for that alone."""
    return Reached(await views.position())


class ProfileViews(Views, Protocol):
    """
    People's profiles, as the projection `profiles` keeps them.

    Handles, e-mail addresses and external ids are compared as uniqueness compares them, and a document that is found
    carries the key that was asked for.
    """

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Match:
        """Return the profile with this id, a UUID in lower case."""

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Match: ...

    async def by_email(self, email: str, *, variant: Variant = "full") -> Match: ...

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Match: ...

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Matches:
        """Return the profiles that any of these keys name."""

    async def list(self, query: ProfileQuery, *, variant: Variant = "full") -> Page:
        """
        Return the people that fit.

        :raises QueryTooBroad: more than 10,000 match the words, and another order than the default is asked for.
        """


class GroupViews(Views, Protocol):
    """Groups and their members, as the projection `groups` keeps them; a group is named by its id or its slug."""

    async def get(self, group: str) -> Match: ...

    async def list(self, query: GroupQuery) -> Page:
        """
        Return the groups that fit.

        :raises QueryTooBroad: see `ProfileViews.list`.
        """

    async def members(self, group: str, query: MemberQuery) -> Page:
        """Return the cards of a group's members; `documents` is None if there is no such group."""

    async def member(self, group: str, account_id: str) -> "MemberMatch":
        """Return the card of one member."""


class MemberMatch(NamedTuple):
    """A member's card, or None; and whether there is such a group at all."""

    position: int
    document: Sealed | None
    group_exists: bool


class ActivityViews(Views, Protocol):
    """The events of accounts, as the projection `activity` keeps them."""

    async def of(self, account_id: str, *, limit: int, after: bytes | None = None, variant: Variant = "full") -> Page:
        """Return what happened to an account, newest first; `documents` is None if there is no such account."""


class ChangeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which changes, in the order of the log.

    :param after: the position behind which to begin; None: at the oldest that is kept.
    :param types: of events, one of which they are; none stands for all.
    :param account: the id of an account that they are about, 16 bytes.
    :param group: the id of a group, likewise.
    """

    after: int | None = None
    types: frozenset[str] = frozenset()
    account: bytes | None = None
    group: bytes | None = None
    limit: int = 50


class Changes(NamedTuple):
    """
    Some changes, as of `position`.

    :param after: up to where was looked: what is asked next begins behind it. It stands still at the end.
    """

    position: int
    items: tuple[ChangeItem, ...]
    after: int


class ChangesTrimmed(Exception):
    """What would come next in the feed is not kept any more."""

    def __init__(self, *, oldest: int) -> None:
        super().__init__(f"The feed begins at position {oldest}: what was before it is not kept any more")
        self.oldest = oldest


class ChangeViews(Views, Protocol):
    """The change feed, as the projection `changes` keeps it."""

    async def changes(self, query: ChangeQuery) -> Changes:
        """
        Return the next changes that fit; a bounded part of the feed is looked through, so there may be none.

        :raises ChangesTrimmed: some that are wanted may be gone.
        """


class StatsViews(Views, Protocol):
    """The directory in numbers, as the projection `stats` keeps it."""

    async def read(self) -> Match: ...
