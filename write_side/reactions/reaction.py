"""A reaction: to which events, and what is done then."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from shared.clock import Clock
from shared.event_log import RecordedEvent
from shared.events import Event
from write_side.execution.executor import CommandExecutor
from write_side.ports import Delivery, DeliverySession, Mailer, TokenKey
from write_side.reactions.mails.letters import Letters

MAIL = "mail"


@dataclass(frozen=True, kw_only=True)
class World:
    """What reactions are carried out with."""

    session: DeliverySession
    mailer: Mailer
    letters: Letters
    token_key: TokenKey
    executor: CommandExecutor
    clock: Clock


CarryOut = Callable[[Delivery, World], Awaitable[bool]]
"""Carries a delivery out; returns whether there was anything to do: the account may have changed, or be gone."""


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """
    A line from events to a function.

    :param always: whether it is also carried out where no person may be written to because of the event.
    :param delay: from the event until it is carried out.
    :param is_ordered: see `Delivery`. One that waits long is not: it would hold up the others of its account.
    """

    name: str
    on: Sequence[type[Event]]
    carry_out: CarryOut
    channel: str = MAIL
    always: bool = False
    delay: timedelta = timedelta(0)
    is_ordered: bool = True

    def delivery(self, recorded: RecordedEvent) -> Delivery:
        """Return what is to be done because of an event."""
        return Delivery(
            id=delivery_id(recorded.event_id, self.name),
            reaction=self.name,
            channel=self.channel,
            account_id=recorded.aggregate_id,
            event_id=recorded.event_id,
            position=recorded.position,
            version=recorded.version,
            is_ordered=self.is_ordered,
            due_at=recorded.occurred_at + self.delay,
        )


def delivery_id(event_id: UUID, reaction: str) -> UUID:
    """Make the id of a delivery: of the event's, since positions come back when a database is restored."""
    return uuid5(event_id, reaction)


def deliveries_of(recorded: RecordedEvent, reactions: Sequence[Reaction]) -> Iterator[Delivery]:
    """Give all that is to be done because of an event, if people may be written to because of it or not."""
    for each in reactions:
        if isinstance(recorded.event, tuple(each.on)) and (recorded.metadata.mail or each.always):
            yield each.delivery(recorded)
