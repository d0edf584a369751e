"""What the use cases need of the world."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, Self
from uuid import UUID

import msgspec

from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.domain.references import AccountRef, GroupRef
from write_side.domain.values import EmailAddress


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a command: the id and version of its aggregate, and the log's position that reflects it."""

    id: UUID
    version: int
    position: int


class Window:
    """
    Commands that are carried out at once, and yet take effect in order.

    None is stored unless all before it are settled or stored with it; and what one of them meets before that is no
    answer, since it did not see their effects.
    """

    def __init__(self) -> None:
        self.next = 0
        """The first of them that is not settled, by its number; they are counted from 0."""


class Place(NamedTuple):
    """The place of a command in its window."""

    window: Window
    number: int


class NotYet(Exception):
    """The command must be carried out again, once those before it in its window are settled; nothing was stored."""


class CommandContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    A command with its idempotency key, and on whose behalf it came.

    :param token_id: of the token with which it was asked for.
    :param key: the caller's idempotency key, or one made for this command alone.
    :param content: the decoded command in a canonical form: what must be equal when the key comes again.
    :param keep_for: how long the outcome answers the key.
    :param expected_version: what the aggregate's version must be before the command.
    :param place: among others that take effect in order.
    """

    command: str
    subject: str
    token_id: str | None = None
    key: str
    key_was_sent: bool
    content: bytes
    keep_for: timedelta
    correlation: str
    expected_version: int | None = None
    traceparent: str | None = None
    place: Place | None = None


class AlreadyDone(Exception):
    """The key has an outcome already; nothing is done twice."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"The outcome is {outcome}")
        self.outcome = outcome


class RunAgain(Exception):
    """
    The use case has to be run again, under another unit of work; nothing was stored, and no input was wrong.

    :param under: makes that unit of work.
    """

    def __init__(self, under: "Callable[[CommandContext], UnitOfWork]") -> None:
        super().__init__("The use case has to be run again")
        self.under = under


class TokenKey(Protocol):
    """The key that seals what is mailed to people, of this directory alone."""

    async def read(self) -> bytes:
        """:raises Unavailable: it cannot be read now."""


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


class UnitOfWork(Protocol):
    """One transaction: aggregates, their events and the command's outcome are stored together or not at all."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def profiles(self) -> Profiles: ...

    @property
    def groups(self) -> Groups: ...

    @property
    def memberships(self) -> Memberships: ...

    async def __aenter__(self) -> Self:
        """
        Begin. The command's key is claimed before anything is read or stored.

        By the first look into a repository, or by commit, at the latest:

        :raises AlreadyDone: the same command was carried out under this key.
        :raises IdempotencyMismatch: another command was.
        """

    async def __aexit__(self, *_: object) -> None:
        """Roll back, unless it was committed."""

    async def commit(self, of: Aggregate) -> Outcome:
        """
        Store what changed, append its events to the log and keep the outcome under the command's key.

        :returns: id and version of `of`, and the position of the last event appended (of its last one if none was).
        :raises VersionMismatch: the caller expected another version of `of`.
        :raises Conflict: something that must be unique is taken: the subclass says what.
        :raises StaleAggregate: an aggregate changed since it was read.
        :raises OutcomeUnknown: the connection was lost after COMMIT was sent; ask the key.
        """


class UnitsOfWork(Protocol):
    """
    A source of units of work. Everything in them can raise `Unavailable`, `Contention`, `RunAgain` or `NotYet`.

    :ivar keep_order: whether the units of work of a window may be under way at once.
    """

    keep_order: bool

    def under(self, context: CommandContext) -> UnitOfWork:
        """A unit of work for one command."""

    async def outcome_of(self, context: CommandContext) -> Outcome | None:
        """
        Return the outcome of the command under its key; None: certainly nothing.

        Waits for a transaction that holds the key.

        :raises IdempotencyMismatch: the key was used for another command.
        :raises Unavailable: it cannot be asked for now.
        """


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """
    A mail to one person.

    :param id: two with one id are the same mail, which was sent again; its Message-ID is made of it.
    :param locale: of its texts, as in `Content-Language`.
    """

    id: UUID
    to: EmailAddress
    subject: str
    text: str
    html: str
    locale: str
    at: datetime


class MailRefused(Exception):
    """The mail will never be taken, such as for an address that there is not; the text is the server's status alone."""


class Mailer(Protocol):
    """A way to send mail."""

    async def send(self, mail: Mail) -> None:
        """
        Hand a mail over, to be delivered to its address; return once it has been taken.

        :raises Unavailable: it may be taken later. Whether it was not taken now is not certain.
        :raises MailRefused: it never will be.
        """


class ShardLocks(Protocol):
    """
    Who carries out the commands of a shard of the bus: one consumer at a time, for as long as it lives.

    Everything can raise `Unavailable`: then this consumer has no lock any more.
    """

    async def consumers(self) -> int:
        """Count the consumers there are, this one among them."""

    async def take(self, shard: int) -> bool:
        """Take a shard, unless another consumer has it."""

    async def give_up(self, shard: int) -> None:
        """Let another consumer take a shard."""

    async def require(self) -> None:
        """:raises Unavailable: this consumer may have lost what it took."""

    async def aclose(self) -> None:
        """Be no consumer any more."""
