"""Profiles in Redis, served as they are stored."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from read_side.adapters.list_query import ListQuery, cannot_be
from read_side.adapters.redis.lists.page import Shown, list_names, page
from read_side.adapters.redis.transport.consistent_read import Attempt, ConsistentRead
from read_side.adapters.redis.transport.reads import Field, Fields
from read_side.adapters.redis.views.group_references import GroupReference
from read_side.adapters.redis.views.source import RedisViews
from read_side.adapters.redis.views.unique_entries import (
    BY_EMAIL,
    BY_EXTERNAL_ID,
    BY_HANDLE,
    BY_SLUG,
    FORMS,
    UNIQUE_KEYS,
    BatchQuery,
    find_by_key,
    served,
    unique_entry_names,
)
from read_side.views import Match, Matches, Page, ProfileKeys, ProfileQuery, Variant
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import PROFILE_ORDERS


class RedisProfileViews(RedisViews):
    projection = "profiles"
    unique = frozenset(by.hash for by in UNIQUE_KEYS.values())
    everywhere = frozenset({BY_SLUG.hash, "group"})

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Match:
        reply = await self._ask(Field("full", account_id.encode()))
        (envelope,) = reply.values
        return Match(reply.position, None if envelope is None else served(envelope, variant))

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Match:
        return await self._consistently(lambda: find_by_key(self._ask, BY_HANDLE, handle, variant))

    async def by_email(self, email: str, *, variant: Variant = "full") -> Match:
        return await self._consistently(lambda: find_by_key(self._ask, BY_EMAIL, email, variant))

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Match:
        return await self._consistently(lambda: find_by_key(self._ask, BY_EXTERNAL_ID, external_id, variant))

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Matches:
        if keys.are_ids:
            return await self._by_ids(keys.ids, variant)
        query = BatchQuery(keys, variant)
        return await self._consistently(lambda: self._find_all(query))

    async def list(self, query: ProfileQuery, *, variant: Variant = "full") -> Page:
        return await self._consistently(lambda: self._list(query, variant))

    async def _by_ids(self, ids: Sequence[str], variant: Variant) -> Matches:
        """Find them in the only trip that they take, so that nothing moves meanwhile."""
        accounts = tuple(dict.fromkeys(map(str.encode, ids)))
        reply = await self._ask(reads=(Fields("full", accounts),))
        (envelopes,) = reply.results
        documents = FORMS[variant](list(filter(None, envelopes)))
        missing = _missing(accounts, envelopes) if len(documents.bodies) < len(accounts) else ()
        return Matches(reply.position, documents.bodies, ProfileKeys(ids=missing), documents.tags)

    async def _find_all(self, query: BatchQuery) -> Attempt[Matches]:
        read, entries = ConsistentRead(self._ask), query.unique_entries()
        leads = (await read.ask(*entries)).values if entries else []
        accounts = query.accounts(leads)
        (envelopes,) = (await read.ask(reads=[Fields("full", accounts)] if accounts else ())).results or ((),)
        return query.attempt(leads, dict(zip(accounts, envelopes, strict=True)), position=read.position)

    async def _list(self, query: ProfileQuery, variant: Variant) -> Attempt[Page]:
        read, show = ConsistentRead(self._ask_for_list), FORMS[variant]
        if cannot_be(*query.tags):
            return await _nobody(read)
        if query.group is None:
            found = await page(read, ListQuery.of_profiles(query), lengths=self._list_lengths, shown=show)
            return Attempt(found.page, consistent=True)
        return await self._list_of_group(query, GroupReference(query.group, documents="group"), show, read)

    async def _list_of_group(
        self, query: ProfileQuery, group: GroupReference, show: Shown, read: ConsistentRead
    ) -> Attempt[Page]:
        lead = await group.lead(read)
        if lead is None:
            return await _nobody(read)
        members = ListQuery.of_profiles(query, group=UUID(lead.decode()))
        guards = () if group.is_id else (group.field(lead),)
        found = await page(read, members, lengths=self._list_lengths, shown=show, guards=guards)
        if not all(map(group.is_of, found.guards)):
            return Attempt(Page(read.position, ()), consistent=False)
        return Attempt(found.page, consistent=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            **unique_entry_names(keys),
            **list_names(keys, kind="profile", orders=PROFILE_ORDERS),
            BY_SLUG.hash: keys.unique_entries(BY_SLUG.hash),
            "group": keys.documents("group", "full"),
        }


def _missing(accounts: Sequence[bytes], envelopes: Sequence[bytes | None]) -> tuple[str, ...]:
    return tuple(account.decode() for account, envelope in zip(accounts, envelopes, strict=True) if envelope is None)


async def _nobody(read: ConsistentRead) -> Attempt[Page]:
    await read.ask()
    return Attempt(Page(read.position, ()), consistent=True)
