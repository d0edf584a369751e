"""Groups and their members in Redis."""

from collections.abc import Mapping

from read_side.adapters.redis.lists.page import list_names, page
from read_side.adapters.redis.lists.query import Asked
from read_side.adapters.redis.transport.consistent_read import Journey, Outcome, settled
from read_side.adapters.redis.views.group_references import GroupReference
from read_side.adapters.redis.views.members import card, find_members, member_names, of_member
from read_side.adapters.redis.views.source import RedisViews
from read_side.adapters.redis.views.unique_entries import BY_SLUG
from read_side.views import Answer, GroupQuery, MemberAnswer, MemberQuery, Page
from shared.read_model.keys import GenerationKeys
from shared.read_model.ordering import ANY_STATUS, GROUP_ORDERS


class RedisGroupViews(RedisViews):
    projection = "groups"

    async def get(self, group: str) -> Answer:
        return await _reference(group).document(self._ask)

    async def list(self, query: GroupQuery) -> Page:
        return await settled(lambda: self._list(query))

    async def members(self, group: str, query: MemberQuery) -> Page:
        return await settled(lambda: self._members(_reference(group), query))

    async def member(self, group: str, account_id: str) -> MemberAnswer:
        return await settled(lambda: self._member(_reference(group), account_id))

    async def _list(self, query: GroupQuery) -> Outcome[Page]:
        asked = Asked.of(query, orders=GROUP_ORDERS, statuses=(ANY_STATUS,))
        return Outcome((await page(Journey(self._ask_for_list), asked, documents="full")).page, settled=True)

    async def _members(self, group: GroupReference, query: MemberQuery) -> Outcome[Page]:
        journey = Journey(self._ask_for_list)
        lead = await group.lead(journey)
        if lead is None:
            return Outcome(Page(journey.position, None), settled=True)
        shown = await find_members(journey, lead, query, guard=group.want(lead))
        if not all(map(group.is_of, shown.guards)):
            return Outcome(Page(journey.position, None), settled=group.is_id)
        return Outcome(shown.page, settled=True)

    async def _member(self, group: GroupReference, account_id: str) -> Outcome[MemberAnswer]:
        journey = Journey(self._ask)
        lead = await group.lead(journey)
        if lead is None:
            return Outcome(MemberAnswer(journey.position, None, group_exists=False), settled=True)
        document, *halves = (await journey.ask(group.want(lead), *of_member(lead, account_id.encode()))).values
        if not group.is_of(document):
            return Outcome(MemberAnswer(journey.position, None, group_exists=False), settled=group.is_id)
        return Outcome(MemberAnswer(journey.position, card(*halves), group_exists=True), settled=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            **list_names(keys, kind="group", orders=GROUP_ORDERS),
            **member_names(keys),
            BY_SLUG.hash: keys.look_up(BY_SLUG.hash),
            "full": keys.documents("group", "full"),
        }


def _reference(group: str) -> GroupReference:
    return GroupReference(group, documents="full")
