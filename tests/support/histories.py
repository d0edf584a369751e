"""Logs as the write side would write them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.event_log import Metadata, RecordedEvent, UnknownEvent
from shared.events import (
    AccountClosed,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    Event,
    HandleChanged,
    ProfileCreated,
    ProfileUpdated,
)

DAWN = datetime(2026, 11, 25, 8, tzinfo=UTC)
METADATA = Metadata(command="test", actor="test", correlation="test")


def nth_id(number: int) -> UUID:
    return UUID(int=number)


class History:
    """Records events one after the other, a second apart; another `salt` makes other event ids."""

    def __init__(self, *, salt: int = 0) -> None:
        self.events: list[RecordedEvent] = []
        self.handles: dict[UUID, str] = {}
        self.emails: dict[UUID, str] = {}
        self._salt = salt
        self._versions: Counter[tuple[str, UUID]] = Counter()
        self._position = 0

    def skip(self, positions: int = 1) -> None:
        """Leave a gap, as a transaction does that is rolled back."""
        self._position += positions

    def record(self, aggregate: str, id: UUID, event: Event | UnknownEvent) -> RecordedEvent:
        self._position += 1
        self._versions[aggregate, id] += 1
        recorded = RecordedEvent(
            position=self._position,
            event_id=UUID(int=self._salt << 64 | self._position),
            aggregate=aggregate,
            aggregate_id=id,
            version=self._versions[aggregate, id],
            event=event,
            metadata=METADATA,
            occurred_at=DAWN + timedelta(seconds=self._position),
        )
        self.events.append(recorded)
        return recorded

    def register(self, handle: str, *, email: str | None = None, external_id: str | None = None, **profile) -> UUID:
        account_id = nth_id(len(self.handles) + 1)
        email = email or f"{handle}@example.org"
        self.handles[account_id], self.emails[account_id] = handle, email
        registered = AccountRegistered(account_id=account_id, email=email, handle=handle, external_id=external_id)
        self.record("account", account_id, registered)
        described = {"display_name": handle.title()} | profile
        self.record("profile", account_id, ProfileCreated(account_id=account_id, **described))
        return account_id

    def change_handle(self, account_id: UUID, new: str) -> None:
        old, self.handles[account_id] = self.handles[account_id], new
        self.record("account", account_id, HandleChanged(account_id=account_id, old=old, new=new))

    def change_email(self, account_id: UUID, new: str) -> None:
        old, self.emails[account_id] = self.emails[account_id], new
        self.record("account", account_id, EmailChanged(account_id=account_id, old=old, new=new))

    def swap_handles(self, one: UUID, other: UUID, *, by_way_of: str) -> None:
        first, second = self.handles[one], self.handles[other]
        self.change_handle(one, by_way_of)
        self.change_handle(other, first)
        self.change_handle(one, second)

    def suspend(self, account_id: UUID) -> None:
        self.record("account", account_id, AccountSuspended(account_id=account_id, reason="because"))

    def reinstate(self, account_id: UUID) -> None:
        self.record("account", account_id, AccountReinstated(account_id=account_id))

    def close(self, account_id: UUID) -> None:
        self.record("account", account_id, AccountClosed(account_id=account_id))

    def update(self, account_id: UUID, **changes) -> None:
        self.record("profile", account_id, ProfileUpdated(account_id=account_id, **changes))

    def meet_the_unknown(self) -> None:
        self.record("account", nth_id(1), UnknownEvent("account-enchanted", 1, "this release has no such event"))
