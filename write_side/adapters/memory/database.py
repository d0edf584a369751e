"""What a database would keep."""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.errors import Unavailable
from shared.event_log import MemoryEventLog, RecordedEvent
from shared.events import AccountErased, MemberAdded, MemberRemoved, MemberRoleChanged
from write_side.domain.account import Account
from write_side.domain.aggregate import Aggregate
from write_side.domain.errors import IdempotencyMismatch
from write_side.domain.group import Group
from write_side.domain.membership import Membership
from write_side.domain.profile import Profile
from write_side.ports import Answer, CommandContext, Outcome


class MemoryDatabase:
    """Everything that was committed. `available` can be set to False to play a database that is away."""

    def __init__(self, *, clock: Clock, log: MemoryEventLog | None = None) -> None:
        self.clock = clock
        self.log = log or MemoryEventLog()
        self.available = True
        self.accounts: dict[Hashable, Account] = {}
        self.profiles: dict[Hashable, Profile] = {}
        self.groups: dict[Hashable, Group] = {}
        self.memberships: dict[Hashable, Membership] = {}
        self.outcomes: dict[tuple[str, str], tuple[CommandContext, Outcome, datetime]] = {}
        self.positions: dict[tuple[str, UUID, int], int] = {}
        self.claims: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    def require_available(self) -> None:
        """:raises Unavailable: it plays one that is away."""
        if not self.available:
            raise Unavailable("the database in memory was made unavailable")

    def answer(self, context: CommandContext) -> Answer | None:
        self.require_available()
        found = self.outcomes.get((context.subject, context.key))
        if found is None or found[2] <= self.clock.now():
            return None
        first, outcome, _ = found
        if (first.command, first.content) != (context.command, context.content):
            raise IdempotencyMismatch
        return Answer(outcome, replayed=first.claim != context.claim)

    def had_events(self, aggregate: Aggregate) -> bool:
        """Whether the id was ever given to an aggregate of this kind."""
        return (aggregate.kind, aggregate.id, 1) in self.positions

    def groups_ever_of(self, account: Account) -> list[UUID]:
        """The groups that the log knows of, of memberships of the account that were not redacted."""
        return sorted({event.group_id for event in map(attrgetter("event"), self.log.events) if _joins(event, account)})

    def positions_of(self, account: Account) -> list[int]:
        """Where the log has events that `redact` would redact."""
        return [each.position for each in self.log.events if _is_of(account, each)]

    def redact(self, account: Account, *, by: int) -> None:
        """Redact all events of an account, its profile and its memberships, but for the last one of its own."""
        self.log.redact(lambda recorded: _is_of(account, recorded), by=by)

    def append(self, aggregates: Iterable[Aggregate], context: CommandContext) -> int | None:
        """Append all pending events; answers the position of the last one, None if there were none."""
        position = None
        metadata = context.metadata()
        for aggregate in aggregates:
            for version, event, at in aggregate.pending:
                position = self.positions[aggregate.kind, aggregate.id, version] = self.log.next_position
                recorded = RecordedEvent(
                    position=position,
                    event_id=uuid7(),
                    aggregate=aggregate.kind,
                    aggregate_id=aggregate.id,
                    version=version,
                    event=event,
                    metadata=metadata,
                    occurred_at=at,
                )
                self.log.append([recorded])
            aggregate.forget_pending()
        self.log.notify()
        return position


def _joins(event: Any, account: Account) -> bool:
    return isinstance(event, MemberAdded) and event.account_id == account.id


def _is_of(account: Account, recorded: RecordedEvent) -> bool:
    match recorded.event:
        case AccountErased():
            return False
        case MemberAdded(account_id=member) | MemberRoleChanged(account_id=member) | MemberRemoved(account_id=member):
            return member == account.id
    return recorded.aggregate in {"account", "profile"} and recorded.aggregate_id == account.id
