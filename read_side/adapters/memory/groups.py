from collections.abc import Iterable, Mapping
from uuid import UUID

from read_side.adapters.list_query import ListLimits, ListQuery
from read_side.adapters.memory.committed import Committed
from read_side.adapters.memory.pages import Listed, listed, page, sealed
from read_side.freshness import Freshness
from read_side.views import GroupQuery, Match, MemberMatch, MemberQuery, Page
from shared.read_model.envelope import Sealed
from shared.read_model.index_rows import group_row
from shared.read_model.ordering import place, time_key
from shared.read_model.records import GroupRecord, MembershipRecord, Person
from shared.text import filed, unique_slug

Belongs = tuple[UUID, UUID]
"""A group's id and an account's."""


class MemoryGroupViews(Committed):
    projection = "groups"

    def __init__(self, *, freshness: Freshness, list_limits: ListLimits | None = None) -> None:
        super().__init__(freshness=freshness, list_limits=list_limits)
        self._groups: dict[UUID, tuple[GroupRecord, Sealed]] = {}
        self._people: dict[UUID, Person] = {}
        self._memberships: dict[Belongs, MembershipRecord] = {}

    def commit(
        self,
        *groups: GroupRecord,
        people: Iterable[Person] = (),
        memberships: Mapping[Belongs, MembershipRecord | None] | None = None,
        gone: Iterable[UUID] = (),
        position: int,
    ) -> None:
        """
        Store records as of `position`, and announce it.

        :param memberships: by group and account; None ends one.
        :param gone: groups that are no more, nor are their memberships.
        """
        self._groups |= {group.group_id: (group, sealed(position, group)) for group in groups}
        self._people |= {person.account_id: person for person in people}
        self._keep(memberships or {})
        for group_id in gone:
            self._groups.pop(group_id, None)
            self._keep(dict.fromkeys(each for each in self._memberships if each[0] == group_id))
        self._reach(position)

    def _keep(self, memberships: Mapping[Belongs, MembershipRecord | None]) -> None:
        changed = {**self._memberships, **memberships}
        self._memberships = {belongs: each for belongs, each in changed.items() if each is not None}

    def forget(self) -> None:
        super().forget()
        self._groups.clear()
        self._people.clear()
        self._memberships.clear()

    async def get(self, group: str) -> Match:
        group_id = self._id_of(group)
        return Match(await self.position(), None if group_id is None else self._groups[group_id][1])

    async def list(self, query: GroupQuery) -> Page:
        records = [
            Listed(id_.bytes, group_row(group), document.body) for id_, (group, document) in self._groups.items()
        ]
        return listed(records, ListQuery.of_groups(query), position=await self.position(), limits=self._list_limits)

    async def members(self, group: str, query: MemberQuery) -> Page:
        position, group_id = await self.position(), self._id_of(group)
        if group_id is None:
            return Page(position, None)
        placed = {
            place(time_key(membership.since), account_id): self._card(account_id, membership).body
            for (of, account_id), membership in self._memberships.items()
            if of == group_id and (query.role is None or filed(query.role) == filed(membership.role))
        }
        return page(placed, position=position, limit=query.limit, after=query.after)

    async def member(self, group: str, account_id: str) -> MemberMatch:
        position, group_id = await self.position(), self._id_of(group)
        if group_id is None:
            return MemberMatch(position, None, group_exists=False)
        account = UUID(account_id)
        membership = self._memberships.get((group_id, account))
        card = None if membership is None else self._card(account, membership)
        return MemberMatch(position, card, group_exists=True)

    def _card(self, account_id: UUID, membership: MembershipRecord) -> Sealed:
        return sealed(self._position or 0, self._people[account_id], membership)

    def _id_of(self, group: str) -> UUID | None:
        named = unique_slug(group)
        matching = (id_ for id_, (record, _) in self._groups.items() if named in {str(id_), unique_slug(record.slug)})
        return next(matching, None)
