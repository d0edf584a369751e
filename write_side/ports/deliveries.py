"""What is to be done in the world outside, kept until it is done."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from shared.event_log import UnknownEvent
from shared.events import Event
from write_side.domain.account import AccountStatus
from write_side.domain.values import EmailAddress


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

    async def due(
        self, channel: str, *, now: datetime, limit: int, besides: Collection[UUID] = ()
    ) -> Sequence[Delivery]:
        """
        Return the deliveries of a channel that may be carried out, those first that have been due for longest.

        :param besides: those that are under way.
        """

    async def has(self, id: UUID) -> bool:
        """Return whether a delivery waits, or was given up."""

    async def next_due(self, channels: Collection[str], *, after: datetime) -> datetime | None:
        """Return the earliest time after this one at which a delivery of one of these channels is due."""

    async def done(self, delivery: Delivery) -> None:
        """Forget a delivery that was carried out, or needs not to be."""

    async def forget(self, delivery: Delivery) -> None:
        """Forget all other deliveries that are kept because of earlier events of the account, those given up too."""

    async def event_ids(self, account_id: UUID) -> Sequence[UUID]:
        """Return the ids of all events of an account; they stay when it is erased."""

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
        """:raises Unavailable: there is none to be had."""
