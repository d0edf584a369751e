"""Groups and their members in Redis."""

from collections.abc import Mapping

from read_side.adapters.list_query import ListQuery
from read_side.adapters.redis.lists.page import list_names, page
from read_side.adapters.redis.transport.consistent_read import Attempt, ConsistentRead
from read_side.adapters.redis.views.group_references import GroupReference
from read_side.adapters.redis.views.members import card, find_members, member_names, of_member
from read_side.adapters.redis.views.source import RedisViews
from read_side.adapters.redis.views.unique_entries import BY_SLUG
from read_side.views import GroupQuery, Match, MemberMatch, MemberQuery, Page
from shared.read_model.envelope import full_forms, tagged
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import GROUP_ORDERS


class RedisGroupViews(RedisViews):
    projection = "groups"
    unique = frozenset({BY_SLUG.hash})

    async def get(self, group: str) -> Match:
        return await _reference(group).document(self._ask, self._consistently)

    async def list(self, query: GroupQuery) -> Page:
        return await self._consistently(lambda: self._list(query))

    async def members(self, group: str, query: MemberQuery) -> Page:
        return await self._consistently(lambda: self._members(_reference(group), query))

    async def member(self, group: str, account_id: str) -> MemberMatch:
        return await self._consistently(lambda: self._member(_reference(group), account_id))

    async def _list(self, query: GroupQuery) -> Attempt[Page]:
        read = ConsistentRead(self._ask_for_list)
        shown = await page(read, ListQuery.of_groups(query), lengths=self._list_lengths, shown=full_forms)
        return Attempt(shown.page, consistent=True)

    async def _members(self, group: GroupReference, query: MemberQuery) -> Attempt[Page]:
        read = ConsistentRead(self._ask_for_list)
        lead = await group.lead(read)
        if lead is None:
            return Attempt(Page(read.position, None), consistent=True)
        shown = await find_members(read, lead, query, guard=group.field(lead))
        if not all(map(group.is_of, shown.guards)):
            return Attempt(Page(read.position, None), consistent=group.is_id)
        return Attempt(shown.page, consistent=True)

    async def _member(self, group: GroupReference, account_id: str) -> Attempt[MemberMatch]:
        read = ConsistentRead(self._ask)
        lead = await group.lead(read)
        if lead is None:
            return Attempt(MemberMatch(read.position, None, group_exists=False), consistent=True)
        document, *halves = (await read.ask(group.field(lead), *of_member(lead, account_id.encode()))).values
        if not group.is_of(document):
            return Attempt(MemberMatch(read.position, None, group_exists=False), consistent=group.is_id)
        found = card(*halves)
        return Attempt(MemberMatch(read.position, found and tagged(found), group_exists=True), consistent=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            **list_names(keys, kind="group", orders=GROUP_ORDERS),
            **member_names(keys),
            BY_SLUG.hash: keys.unique_entries(BY_SLUG.hash),
            "full": keys.documents("group", "full"),
        }


def _reference(group: str) -> GroupReference:
    return GroupReference(group, documents="full")
