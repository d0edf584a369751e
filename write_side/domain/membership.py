"""A person's place in a group."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.events import MemberAdded, MemberRemoved, MemberRoleChanged
from write_side.domain.aggregate import Aggregate
from write_side.domain.values import Role


@dataclass(eq=False, kw_only=True)
class Membership(Aggregate):
    """One account in one group, from when it was added until it is removed; one that comes back begins a new one."""

    kind = "membership"

    group_id: UUID
    account_id: UUID
    role: Role

    @classmethod
    def begin(cls, *, id: UUID, group_id: UUID, account_id: UUID, role: Role, at: datetime) -> Self:
        membership = cls(id=id, group_id=group_id, account_id=account_id, role=role)
        event = MemberAdded(membership_id=id, group_id=group_id, account_id=account_id, role=str(role))
        membership.record(event, at=at)
        return membership

    def change_role(self, role: Role, *, at: datetime) -> None:
        if role == self.role:
            return
        event = MemberRoleChanged(
            membership_id=self.id,
            group_id=self.group_id,
            account_id=self.account_id,
            old=str(self.role),
            new=str(role),
        )
        self.record(event, at=at)
        self.role = role

    def end(self, *, at: datetime) -> None:
        event = MemberRemoved(
            membership_id=self.id, group_id=self.group_id, account_id=self.account_id, role=str(self.role)
        )
        self.record(event, at=at)
