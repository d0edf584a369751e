"""Profiles in memory: what the read side serves in tests, and wherever no Redis is wanted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self

import msgspec

from read_side.freshness import Freshness
from read_side.views import Answer, Batch, NeverFilled, ProfileKeys, Variant
from shared.records import ProfileRecord, PublicProfileRecord, Sealed, entity_tag
from shared.text import unique_email, unique_external_id, unique_handle

_encode = msgspec.json.Encoder().encode


class MemoryProfileViews:
    """Records that a test, or whoever projects into this process, has committed; without a commit never filled."""

    def __init__(self, *, freshness: Freshness) -> None:
        self.freshness = freshness
        self._position: int | None = None
        self._records: dict[str, ProfileRecord] = {}
        self._documents: dict[tuple[str, Variant], Sealed] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def commit(self, *records: ProfileRecord, position: int) -> None:
        """Store records as of `position`, and announce it."""
        for record in records:
            account = str(record.account_id)
            self._records[account] = record
            for variant, body in _bodies(record).items():
                self._documents[account, variant] = Sealed(position, entity_tag(body), body)
        self._position = position
        self.freshness.announce(position)

    def forget(self) -> None:
        """Be as if nothing was ever committed."""
        self._position = None
        self._records.clear()
        self._documents.clear()

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Answer:
        return Answer(await self.position(), self._documents.get((account_id, variant)))

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Answer:
        return await self._first("handles", handle, variant)

    async def by_email(self, email: str, *, variant: Variant = "full") -> Answer:
        return await self._first("emails", email, variant)

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Answer:
        return await self._first("external_ids", external_id, variant)

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Batch:
        position = await self.position()
        found: dict[str, Sealed] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for kind in _CARRIED:
            named = {key: self._named(kind, key) for key in getattr(keys, kind)}
            found |= {account: self._documents[account, variant] for account in named.values() if account}
            missing[kind] = tuple(key for key, account in named.items() if account is None)
        return Batch(position, tuple(found.values()), ProfileKeys(**missing))

    async def position(self) -> int:
        if self._position is None:
            raise NeverFilled("The read model profiles was not filled yet")
        return self._position

    async def _first(self, kind: str, key: str, variant: Variant) -> Answer:
        batch = await self.by_keys(ProfileKeys(**{kind: (key,)}), variant=variant)
        return Answer(batch.position, next(iter(batch.found), None))

    def _named(self, kind: str, key: str) -> str | None:
        unique, carried = _UNIQUE[kind], _CARRIED[kind]
        matching = (account for account, record in self._records.items() if unique(key) in map(unique, carried(record)))
        return next(matching, None)


def _external_id(record: ProfileRecord) -> Iterator[str]:
    if record.external_id is not None:
        yield record.external_id


_CARRIED: Mapping[str, Callable[[ProfileRecord], Iterable[str]]] = {
    "ids": lambda record: [str(record.account_id)],
    "handles": lambda record: [record.handle],
    "emails": lambda record: [record.email],
    "external_ids": _external_id,
}
_UNIQUE: Mapping[str, Callable[[str], str]] = {
    "ids": str,
    "handles": unique_handle,
    "emails": unique_email,
    "external_ids": unique_external_id,
}


def _bodies(record: ProfileRecord) -> Mapping[Variant, bytes]:
    public = PublicProfileRecord(**{name: getattr(record, name) for name in PublicProfileRecord.__struct_fields__})
    return {"full": _encode(record), "public": _encode(public)}
