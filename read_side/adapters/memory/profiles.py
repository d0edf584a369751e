from collections.abc import Callable, Iterable, Iterator, Mapping
from uuid import UUID

import msgspec

from read_side.adapters.list_query import ListLimits, ListQuery
from read_side.adapters.memory.committed import Committed
from read_side.adapters.memory.pages import Listed, listed
from read_side.freshness import Freshness
from read_side.views import Match, Matches, Page, ProfileKeys, ProfileQuery, Variant
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.index_rows import profile_row
from shared.read_model.records import ProfileRecord, PublicProfileRecord
from shared.text import unique_email, unique_external_id, unique_handle, unique_slug

_encode = msgspec.json.Encoder().encode


class MemoryProfileViews(Committed):
    projection = "profiles"

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        super().__init__(freshness=freshness, list_limits=list_limits)
        self._records: dict[str, ProfileRecord] = {}
        self._documents: dict[tuple[str, Variant], Sealed] = {}

    def commit(self, *records: ProfileRecord, position: int) -> None:
        """Store records as of `position`, and announce it."""
        for record in records:
            account = str(record.account_id)
            self._records[account] = record
            for variant, body in _bodies(record).items():
                self._documents[account, variant] = Sealed(position, entity_tag(body), body)
        self._reach(position)

    def forget(self) -> None:
        super().forget()
        self._records.clear()
        self._documents.clear()

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Match:
        return Match(await self.position(), self._documents.get((account_id, variant)))

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Match:
        return await self._first("handles", handle, variant)

    async def by_email(self, email: str, *, variant: Variant = "full") -> Match:
        return await self._first("emails", email, variant)

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Match:
        return await self._first("external_ids", external_id, variant)

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Matches:
        position = await self.position()
        found: dict[str, bytes] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for kind in _CARRIED:
            named = {key: self._named(kind, key) for key in getattr(keys, kind)}
            found |= {account: self._documents[account, variant].body for account in named.values() if account}
            missing[kind] = tuple(key for key, account in named.items() if account is None)
        return Matches(position, tuple(found.values()), ProfileKeys(**missing))

    async def list(self, query: ProfileQuery, *, variant: Variant = "full") -> Page:
        position, group = await self.position(), None
        if query.group is not None and (group := self._group_named(query.group)) is None:
            return Page(position, ())
        records = [
            Listed(record.account_id.bytes, profile_row(record), self._documents[account, variant].body)
            for account, record in self._records.items()
        ]
        return listed(records, ListQuery.of_profiles(query, group=group), position=position, limits=self._list_limits)

    def _group_named(self, group: str) -> UUID | None:
        named = unique_slug(group)
        groups = (each for record in self._records.values() for each in record.groups)
        matching = (each.group_id for each in groups if named in {str(each.group_id), unique_slug(each.slug)})
        return next(matching, None)

    async def _first(self, kind: str, key: str, variant: Variant) -> Match:
        account = self._named(kind, key)
        return Match(await self.position(), None if account is None else self._documents[account, variant])

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
