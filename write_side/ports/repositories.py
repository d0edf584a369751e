"""All aggregates of a kind, as use cases reach them."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from write_side.domain.account import Account
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef, GroupRef


class Accounts(Protocol):
    """All accounts."""

    async def get(self, ref: AccountRef) -> Account:
        """:raises AccountNotFound: there is none."""

    async def get_unchanging(self, ref: AccountRef) -> Account:
        """
        The account, kept from changing until the unit of work ends: for use cases that rely on it without changing it.

        :raises AccountNotFound: there is none.
        """

    async def get_exclusive(self, ref: AccountRef) -> Account:
        """
        The account, to erase it: locked once no other unit of work changes it or relies on it, in the order asked for.

        :raises AccountNotFound: there is none.
        """

    async def positions_of(self, account: Account) -> Sequence[int]:
        """Return the positions in the log of all events of an account, its profile and its memberships, in order."""

    def add(self, account: Account) -> None:
        """Take up a new account; whether its id, e-mail address, handle and external id are free shows at commit."""

    def erase(self, account: Account) -> None:
        """
        Let go of an erased account that is held exclusively and in no group any more, and of its profile.

        With commit, nothing is left of the events of account, profile and memberships but that they happened:
        see `shared.event_log.redaction`. What is recorded in the same unit of work is no exception, but for the
        `AccountErased` itself.
        """


class Profiles(Protocol):
    """All profiles."""

    async def of(self, account: Account) -> Profile:
        """The profile of an account; every account has one."""

    def add(self, profile: Profile) -> None:
        """Take up the profile of a new account."""


class Groups(Protocol):
    """All groups. A use case that needs a group and an account takes the account first: all lock in one order."""

    async def get_unchanging(self, ref: GroupRef) -> Group:
        """
        The group, kept from changing and from being removed until the unit of work ends.

        :raises GroupNotFound: there is none.
        """

    async def get_exclusive(self, ref: GroupRef) -> Group:
        """
        The group, to change or delete it: locked once no other unit of work relies on it, in the order asked for.

        :raises GroupNotFound: there is none.
        """

    def add(self, group: Group) -> None:
        """Take up a new group; whether its id, slug and external id are free shows at commit."""

    def remove(self, group: Group) -> None:
        """Let go of a deleted group, in which no memberships are left; its events are stored all the same."""


class Memberships(Protocol):
    """All memberships: the caller keeps account and group from changing, in this order."""

    async def find(self, group: Group, account: Account) -> Membership | None:
        """The membership of an account in a group, if there is one."""

    async def of(self, group: Group, account: Account) -> Membership:
        """:raises MemberNotFound: the account does not belong to the group."""

    async def all_of(self, account: Account) -> Sequence[Membership]:
        """The memberships of an account that is held exclusively; no deletion of a group ends one of them meanwhile."""

    async def groups_ever_of(self, account: Account) -> Sequence[UUID]:
        """The ids of all groups that an account belongs to or ever did, deleted ones too, in order."""

    def add(self, membership: Membership) -> None:
        """
        Take up a membership that begins.

        If the account was added to the group meanwhile, commit raises `StaleAggregate`: another look finds it.
        """

    def remove(self, membership: Membership) -> None:
        """Let go of a membership that ended; its events are stored all the same."""

    async def end_all_of(self, group: Group) -> int:
        """End all memberships in a group that is held exclusively, without loading any; says how many they were."""
