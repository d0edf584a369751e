from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from read_side.adapters.memory.committed import Committed
from read_side.adapters.memory.pages import Placed, first_match, page, require_sortable
from read_side.freshness import Freshness
from read_side.views import Match, Matches, Page, ProfileKeys, ProfileQuery, Variant
from shared.read_model.envelope import Sealed, entity_tag
from shared.read_model.ordering import NUL, place, text_key, time_key
from shared.read_model.records import ProfileRecord, PublicProfileRecord
from shared.text import composed, unique_email, unique_external_id, unique_handle, unique_slug, words

_encode = msgspec.json.Encoder().encode


class MemoryProfileViews(Committed):
    projection = "profiles"

    def __init__(self, *, freshness: Freshness) -> None:
        super().__init__(freshness=freshness)
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
        found: dict[str, Sealed] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for kind in _CARRIED:
            named = {key: self._named(kind, key) for key in getattr(keys, kind)}
            found |= {account: self._documents[account, variant] for account in named.values() if account}
            missing[kind] = tuple(key for key, account in named.items() if account is None)
        return Matches(position, tuple(found.values()), ProfileKeys(**missing))

    async def list(self, query: ProfileQuery, *, variant: Variant = "full") -> Page:
        position = await self.position()
        matching = [record for record in self._records.values() if _matches(record, query)]
        if query.words:
            require_sortable(len(matching), order=query.order)
        placed = [
            Placed(_place(record, query), self._documents[str(record.account_id), variant])
            for record in matching
            if _belongs(record, query.group) and set(map(composed, query.tags)) <= set(record.tags)
        ]
        return page(placed, position=position, limit=query.limit, after=query.after, descending=query.descending)

    async def _first(self, kind: str, key: str, variant: Variant) -> Match:
        batch = await self.by_keys(ProfileKeys(**{kind: (key,)}), variant=variant)
        return Match(batch.position, next(iter(batch.found), None))

    def _named(self, kind: str, key: str) -> str | None:
        unique, carried = _UNIQUE[kind], _CARRIED[kind]
        matching = (account for account, record in self._records.items() if unique(key) in map(unique, carried(record)))
        return next(matching, None)


def _matches(record: ProfileRecord, query: ProfileQuery) -> bool:
    return record.status in query.statuses and (not query.words or _word(record, query) is not None)


def _belongs(record: ProfileRecord, group: str | None) -> bool:
    named = None if group is None else unique_slug(group)
    return named is None or any(named in {str(each.group_id), unique_slug(each.slug)} for each in record.groups)


def _word(record: ProfileRecord, query: ProfileQuery) -> bytes | None:
    names = (record.handle, record.display_name, record.given_name, record.family_name, record.title, *record.tags)
    return first_match((word for name in names if name is not None for word in words(name)), query.words)


def _place(record: ProfileRecord, query: ProfileQuery) -> bytes:
    """Where the record stands in the list; it fits."""
    if query.order is not None:
        return place(_KEYS[query.order](record), record.account_id)
    word = _word(record, query) if query.words else None
    return place((word or b"") + NUL + text_key(record.display_name), record.account_id)


_KEYS: Mapping[str, Callable[[ProfileRecord], bytes]] = {
    "display_name": lambda record: text_key(record.display_name),
    "handle": lambda record: text_key(unique_handle(record.handle)),
    "created_at": lambda record: time_key(record.created_at),
    "updated_at": lambda record: time_key(record.updated_at),
}


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
