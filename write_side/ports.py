"""What the use cases need of the world."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, Self
from uuid import UUID

import msgspec

from shared.event_log import UnknownEvent
from shared.events import Event
from write_side.domain.account import Account, AccountStatus
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
    :param mail: whether people may be written to because of it.
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
    mail: bool = True


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


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something to do in the world outside because of an event, at least once.

    It names a person by ids alone: everything else is looked up when it is carried out.

    :param id: made of the event's, so that it is the same if the same is done again.
    :param reaction: what is to be done, by its name.
    :param channel: the way out, such as `mail`.
    :param endpoint: where to, if the channel leads to several places.
    :param version: of the account with the event.
    :param is_ordered: whether it waits for earlier ones of its account on the same way to the same place.
    :param due_at: before which it is not tried.
    :param attempts: that failed.
    :param error: why the last of them failed.
    :param given_up_at: since when it is not tried any more, and holds up no other.
    """

    id: UUID
    reaction: str
    channel: str
    endpoint: str = ""
    account_id: UUID
    event_id: UUID
    position: int
    version: int
    is_ordered: bool = True
    due_at: datetime
    attempts: int = 0
    error: str | None = None
    given_up_at: datetime | None = None


class DeliveryCounts(msgspec.Struct, frozen=True):
    """How many deliveries there are to be tried, and how many were given up."""

    waiting: int
    given_up: int


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a delivery finds it."""

    account_id: UUID
    version: int
    email: EmailAddress
    email_version: int
    email_verified: bool
    status: AccountStatus
    locale: str | None


class LeadLost(Exception):
    """Another process has scheduled what was read, or the log was set back: it has to be read again."""


class DeliverySession(Protocol):
    """Deliveries that are there until they are done. Everything can raise `Unavailable`: then the session is over."""

    async def try_to_lead(self) -> bool:
        """
        Become the one session that schedules and carries out, unless another one is; return whether it is so now.

        It leads until it ends, whatever ends it.
        """

    async def checkpoint(self) -> int:
        """Return the position up to which events have been reacted to."""

    async def schedule(self, deliveries: Sequence[Delivery], *, after: int, until: int) -> None:
        """
        Store deliveries and move the checkpoint from one position to another: both or neither.

        :raises LeadLost: the checkpoint is elsewhere.
        """

    async def due(self, *, now: datetime, limit: int, besides: Collection[UUID] = ()) -> Sequence[Delivery]:
        """
        Return the deliveries that may be carried out, those first that have been due for longest.

        :param besides: those that are under way.
        """

    async def next_due(self, *, after: datetime) -> datetime | None:
        """Return the earliest time after this one at which a delivery is due."""

    async def done(self, delivery: Delivery) -> None:
        """Forget a delivery that was carried out, or needs not to be."""

    async def defer(self, delivery: Delivery, *, until: datetime, error: str) -> None:
        """Have a delivery tried again, and count the attempt."""

    async def give_up(self, delivery: Delivery, *, at: datetime, error: str) -> None:
        """Count the attempt, and try the delivery no more."""

    async def retry(self, ids: Collection[UUID] | None, *, now: datetime) -> int:
        """
        Have deliveries tried again as if they never had been; return how many there are.

        :param ids: of which; all that were given up, if None.
        """

    async def all(self, *, limit: int) -> Sequence[Delivery]:
        """Return the deliveries there are, given up ones first, then by when they are due."""

    async def counts(self) -> DeliveryCounts: ...

    async def recipient(self, account_id: UUID) -> Recipient | None:
        """Return an account as it is now; None if it was erased."""

    async def event(self, delivery: Delivery) -> Event | UnknownEvent | None:
        """Return the event of a delivery as the log has it now: nothing is left in it of those who were erased."""


class Deliveries(Protocol):
    """Where deliveries are kept, beside the state and the log."""

    def connect(self) -> AbstractAsyncContextManager[DeliverySession]:
        """
        Open a session.

        :raises Unavailable: there is none to be had.
        """
