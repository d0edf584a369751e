"""Logs as the write side would write them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared import events
from shared.event_log import Metadata, RecordedEvent, UnknownEvent
from shared.event_log.redaction import redacted

GROUP_IDS = 1 << 32
"""Where the ids of groups begin."""
MEMBERSHIP_IDS = 1 << 48
DAWN = datetime(2026, 11, 25, 8, tzinfo=UTC)
METADATA = Metadata(command="test", actor="test", correlation="test")


def nth_id(number: int) -> UUID:
    return UUID(int=number)


class Member(NamedTuple):
    """A membership under way."""

    membership_id: UUID
    role: str


class History:
    """Records events one after the other, a second apart; another `salt` makes other event ids."""

    def __init__(self, *, salt: int = 0) -> None:
        self.events: list[RecordedEvent] = []
        self.originals: list[RecordedEvent] = []
        """The events as they were before an erasure."""
        self.handles: dict[UUID, str] = {}
        self.emails: dict[UUID, str] = {}
        self.statuses: dict[UUID, str] = {}
        self.slugs: dict[UUID, str] = {}
        self.members: dict[tuple[UUID, UUID], Member] = {}
        """By group and account."""
        self._salt = salt
        self._versions: Counter[tuple[str, UUID]] = Counter()
        self._begun: Counter[str] = Counter()
        """How many of each aggregate there were so far."""
        self._position = 0

    def skip(self, positions: int = 1) -> None:
        """Leave a gap, as a transaction does that is rolled back."""
        self._position += positions

    def record(self, aggregate: str, id: UUID, event: events.Event | UnknownEvent) -> RecordedEvent:
        self._position += 1
        self._versions[aggregate, id] += 1
        self._begun[aggregate] += self._versions[aggregate, id] == 1
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
        self.originals.append(recorded)
        return recorded

    def register(self, handle: str, *, email: str | None = None, external_id: str | None = None, **profile) -> UUID:
        account_id = nth_id(self._begun["account"] + 1)
        email = email or f"{handle}@example.org"
        self.handles[account_id], self.emails[account_id] = handle, email
        self.statuses[account_id] = "active"
        registered = events.AccountRegistered(
            account_id=account_id, email=email, handle=handle, external_id=external_id
        )
        self.record("account", account_id, registered)
        described = {"display_name": handle.title()} | profile
        self.record("profile", account_id, events.ProfileCreated(account_id=account_id, **described))
        return account_id

    def change_handle(self, account_id: UUID, new: str) -> None:
        old, self.handles[account_id] = self.handles[account_id], new
        self.record("account", account_id, events.HandleChanged(account_id=account_id, old=old, new=new))

    def change_email(self, account_id: UUID, new: str) -> None:
        old, self.emails[account_id] = self.emails[account_id], new
        self.record("account", account_id, events.EmailChanged(account_id=account_id, old=old, new=new))

    def verify_email(self, account_id: UUID) -> None:
        self.record("account", account_id, events.EmailVerified(account_id=account_id))

    def swap_handles(self, one: UUID, other: UUID, *, by_way_of: str) -> None:
        first, second = self.handles[one], self.handles[other]
        self.change_handle(one, by_way_of)
        self.change_handle(other, first)
        self.change_handle(one, second)

    def suspend(self, account_id: UUID) -> None:
        self.statuses[account_id] = "suspended"
        self.record("account", account_id, events.AccountSuspended(account_id=account_id, reason="because"))

    def reinstate(self, account_id: UUID) -> None:
        self.statuses[account_id] = "active"
        self.record("account", account_id, events.AccountReinstated(account_id=account_id))

    def close(self, account_id: UUID) -> None:
        self.statuses[account_id] = "closed"
        self.record("account", account_id, events.AccountClosed(account_id=account_id))

    def erase(self, account_id: UUID) -> None:
        """As a transaction does that ends memberships, tells so, and redacts all that was told of the person."""
        own = [each for each in self.originals if _is_of(account_id, each)]
        groups = {each.event.group_id for each in own if isinstance(each.event, events.MemberAdded)}
        for group_id, _ in [each for each in self.members if each[1] == account_id]:
            self.remove_member(group_id, account_id)
        status = self.statuses.pop(account_id)
        del self.handles[account_id], self.emails[account_id]
        positions = tuple(each.position for each in own)
        erased = events.AccountErased(
            account_id=account_id, status=status, groups=tuple(sorted(groups)), positions=positions
        )
        by = self.record("account", account_id, erased).position
        self.events = [redacted(each, by=by) if _is_of(account_id, each) else each for each in self.events]

    def read_at(self, position: int) -> list[RecordedEvent]:
        """What a reader has that came to a position before any erasure behind it."""
        erased = [
            each
            for each in self.originals
            if isinstance(each.event, events.AccountErased) and each.position <= position
        ]
        read = [each for each in self.originals if each.position <= position]
        for each in erased:
            of = each.event.account_id
            read = [redacted(one, by=each.position) if _is_of(of, one) else one for one in read]
        return read

    def update(self, account_id: UUID, **changes) -> None:
        self.record("profile", account_id, events.ProfileUpdated(account_id=account_id, **changes))

    def create_group(self, slug: str, *, name: str | None = None, **described) -> UUID:
        group_id = nth_id(GROUP_IDS + self._begun["group"])
        self.slugs[group_id] = slug
        self.record(
            "group", group_id, events.GroupCreated(group_id=group_id, slug=slug, name=name or slug.title(), **described)
        )
        return group_id

    def rename_group(self, group_id: UUID, name: str) -> None:
        self.update_group(group_id, name=name)

    def update_group(self, group_id: UUID, **changes) -> None:
        self.record("group", group_id, events.GroupUpdated(group_id=group_id, **changes))

    def change_slug(self, group_id: UUID, new: str) -> None:
        old, self.slugs[group_id] = self.slugs[group_id], new
        self.record("group", group_id, events.SlugChanged(group_id=group_id, old=old, new=new))

    def delete_group(self, group_id: UUID) -> None:
        ended = [each for each in self.members if each[0] == group_id]
        for each in ended:
            del self.members[each]
        slug = self.slugs.pop(group_id)
        self.record("group", group_id, events.GroupDeleted(group_id=group_id, slug=slug, members=len(ended)))

    def add_member(self, group_id: UUID, account_id: UUID, *, role: str = "member") -> None:
        membership_id = nth_id(MEMBERSHIP_IDS + self._begun["membership"])
        self.members[group_id, account_id] = Member(membership_id, role)
        event = events.MemberAdded(membership_id=membership_id, group_id=group_id, account_id=account_id, role=role)
        self.record("membership", membership_id, event)

    def change_role(self, group_id: UUID, account_id: UUID, new: str) -> None:
        membership_id, old = self.members[group_id, account_id]
        self.members[group_id, account_id] = Member(membership_id, new)
        changed = events.MemberRoleChanged(
            membership_id=membership_id, group_id=group_id, account_id=account_id, old=old, new=new
        )
        self.record("membership", membership_id, changed)

    def remove_member(self, group_id: UUID, account_id: UUID) -> None:
        membership_id, role = self.members.pop((group_id, account_id))
        event = events.MemberRemoved(membership_id=membership_id, group_id=group_id, account_id=account_id, role=role)
        self.record("membership", membership_id, event)

    def meet_the_unknown(self) -> None:
        self.record("account", nth_id(1), UnknownEvent("account-enchanted", 1, "this release has no such event"))


def _is_of(account_id: UUID, recorded: RecordedEvent) -> bool:
    """Whether an event is one of an account, its profile or its memberships, and can be redacted."""
    if isinstance(recorded.event, events.AccountErased):
        return False
    return account_id in {recorded.aggregate_id, getattr(recorded.event, "account_id", None)}
