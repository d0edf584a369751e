"""Profiles in Redis, served as they are stored."""

from collections.abc import Mapping
from uuid import UUID

from read_side.adapters.redis.lists.page import list_names, page
from read_side.adapters.redis.lists.query import ListQuery, cannot_be
from read_side.adapters.redis.transport.consistent_read import Attempt, ConsistentRead, until_consistent
from read_side.adapters.redis.transport.reads import Field
from read_side.adapters.redis.views.group_references import GroupReference
from read_side.adapters.redis.views.source import RedisViews
from read_side.adapters.redis.views.unique_entries import (
    BY_EMAIL,
    BY_EXTERNAL_ID,
    BY_HANDLE,
    BY_SLUG,
    BatchQuery,
    documents,
    find_by_key,
    unique_entry_names,
)
from read_side.views import Match, Matches, Page, ProfileKeys, ProfileQuery, Variant
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import PROFILE_ORDERS, STATUSES, group_facet, tag_facet


class RedisProfileViews(RedisViews):
    projection = "profiles"

    async def by_id(self, account_id: str, *, variant: Variant = "full") -> Match:
        seen = await self._ask(Field(variant, account_id.encode()))
        (envelope,) = seen.values
        return Match(seen.position, None if envelope is None else unseal(envelope))

    async def by_handle(self, handle: str, *, variant: Variant = "full") -> Match:
        return await until_consistent(lambda: find_by_key(self._ask, BY_HANDLE, handle, variant))

    async def by_email(self, email: str, *, variant: Variant = "full") -> Match:
        return await until_consistent(lambda: find_by_key(self._ask, BY_EMAIL, email, variant))

    async def by_external_id(self, external_id: str, *, variant: Variant = "full") -> Match:
        return await until_consistent(lambda: find_by_key(self._ask, BY_EXTERNAL_ID, external_id, variant))

    async def by_keys(self, keys: ProfileKeys, *, variant: Variant = "full") -> Matches:
        asked = BatchQuery(keys)
        return await until_consistent(lambda: self._look_for_all(asked, variant))

    async def list(self, query: ProfileQuery, *, variant: Variant = "full") -> Page:
        return await until_consistent(lambda: self._list(query, variant))

    async def _look_for_all(self, asked: BatchQuery, variant: Variant) -> Attempt[Matches]:
        journey, wants = ConsistentRead(self._ask), asked.look_ups()
        leads = (await journey.ask(*wants)).values if wants else []
        found = (await journey.ask(*documents(asked.accounts(leads), variant))).values
        return asked.outcome(leads, found, position=journey.position)

    async def _list(self, query: ProfileQuery, variant: Variant) -> Attempt[Page]:
        journey = ConsistentRead(self._ask_for_list)
        if cannot_be(*query.tags):
            return await _nobody(journey)
        if query.group is None:
            return Attempt((await page(journey, _list_query(query), documents=variant)).page, consistent=True)
        return await self._list_of_group(query, GroupReference(query.group, documents="group"), variant, journey)

    async def _list_of_group(
        self, query: ProfileQuery, group: GroupReference, variant: Variant, journey: ConsistentRead
    ) -> Attempt[Page]:
        lead = await group.lead(journey)
        if lead is None:
            return await _nobody(journey)
        guards = () if group.is_id else (group.want(lead),)
        shown = await page(journey, _list_query(query, group=lead), documents=variant, guards=guards)
        if not all(map(group.is_of, shown.guards)):
            return Attempt(Page(journey.position, ()), consistent=False)
        return Attempt(shown.page, consistent=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            **unique_entry_names(keys),
            **list_names(keys, kind="profile", orders=PROFILE_ORDERS),
            BY_SLUG.hash: keys.unique_entries(BY_SLUG.hash),
            "group": keys.documents("group", "full"),
        }


def _list_query(query: ProfileQuery, *, group: bytes | None = None) -> ListQuery:
    facets = [] if group is None else [group_facet(UUID(group.decode()))]
    facets += [tag_facet(tag) for tag in query.tags]
    return ListQuery.of(
        query,
        orders=PROFILE_ORDERS,
        statuses=tuple(STATUSES[status] for status in query.statuses),
        facets=tuple(dict.fromkeys(facets)),
    )


async def _nobody(journey: ConsistentRead) -> Attempt[Page]:
    await journey.ask()
    return Attempt(Page(journey.position, ()), consistent=True)
