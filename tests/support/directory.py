"""A small directory to read from: two groups, who belongs to them, and what happened."""

from datetime import UTC, datetime
from uuid import UUID

from shared.read_model import records
from shared.read_model.changes import ChangeItem
from tests.support.read_side import ADA, BOB, changed, person

JUDICIARY = records.GroupRecord(
    group_id=UUID("0198bbbb-0000-7000-8000-0000000000a0"),
    slug="ssju",
    name="Senate Committee on the Judiciary",
    description=None,
    external_id=None,
    member_count=2,
    created_at=datetime(2026, 1, 3, tzinfo=UTC),
    updated_at=datetime(2026, 1, 4, tzinfo=UTC),
    version=1,
)
FINANCE = changed(
    JUDICIARY, group_id=UUID("0198bbbb-0000-7000-8000-0000000000a1"), slug="ssfi", name="Finance", member_count=0
)
GROUPS = (JUDICIARY, FINANCE)

ROLES = {ADA.account_id: "Chairman", BOB.account_id: "member"}
PEOPLE = tuple(
    records.Person(account_id=each.account_id, handle=each.handle, display_name=each.display_name, status=each.status)
    for each in (ADA, BOB)
)
MEMBERSHIPS = {
    (JUDICIARY.group_id, account_id): records.MembershipRecord(role=role, since=datetime(2026, 2, day, tzinfo=UTC))
    for day, (account_id, role) in enumerate(ROLES.items(), start=1)
}

HAPPENED = tuple(
    records.ActivityRecord(
        account_id=ADA.account_id,
        type=kind,
        position=at,
        at=datetime(2026, 1, at, tzinfo=UTC),
        actor="system",
        details=details,
    )
    for at, kind, details in (
        (1, "account-registered", {"handle": "ada", "email": "ada@example.org", "external_id": None}),
        (3, "handle-changed", {"old": "ada", "new": "Ada"}),
    )
)
STATS = records.StatsRecord(
    records.AccountCounts(active=2), groups=2, memberships=2, registrations=(records.DayCount("2026-01-01", 2),)
)


def item(
    position: int,
    kind: str = "account-registered",
    *,
    account: UUID | None = None,
    group: UUID | None = None,
    fields: tuple[str, ...] | None = None,
) -> ChangeItem:
    """Return an item of the change feed: of Ada, if of no other account and of no group."""
    about = account or (None if group else ADA.account_id)
    return ChangeItem(
        position=position,
        id=UUID(int=position).bytes,
        type=kind,
        at=position * 1_000_000,
        version=1,
        account=about and about.bytes,
        group=group and group.bytes,
        fields=fields,
    )


CHANGED = (
    item(1, fields=("email", "handle")),
    item(2, "profile-updated", fields=("title", "attributes")),
    item(3, "group-updated", group=JUDICIARY.group_id, fields=("name",)),
    item(4, "member-added", account=BOB.account_id, group=JUDICIARY.group_id),
)
"""What the change feed has of it."""


def member_of(group: records.GroupRecord, record: records.ProfileRecord) -> records.ProfileRecord:
    """Return the record of a person who belongs to a group too."""
    belongs = records.ProfileGroup(group_id=group.group_id, slug=group.slug, name=group.name, role="member")
    return changed(record, groups=(*record.groups, belongs))


def crowd(count: int, **changes: object) -> tuple[records.ProfileRecord, ...]:
    """Make people whose names are in the order of their numbers."""
    return tuple(person(number, display_name=f"Person {number:04}", **changes) for number in range(1, count + 1))
