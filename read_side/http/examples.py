"""Records as the documentation shows them."""

from datetime import UTC, datetime
from uuid import UUID

from shared.http.openapi.examples import EXAMPLE_GROUP, EXAMPLE_ID
from shared.read_model.records import (
    AccountCounts,
    ActivityRecord,
    DayCount,
    GroupRecord,
    MemberCard,
    ProfileGroup,
    ProfileRecord,
    StatsRecord,
)

_ACCOUNT, _GROUP = UUID(EXAMPLE_ID), UUID(EXAMPLE_GROUP)
_REGISTERED, _CHANGED = datetime(2026, 11, 25, 9, 30, tzinfo=UTC), datetime(2026, 11, 26, 14, tzinfo=UTC)

EXAMPLES = (
    ProfileRecord(
        account_id=_ACCOUNT,
        handle="andre",
        display_name="André Carson",
        given_name="André",
        family_name="Carson",
        title="Representative",
        bio=None,
        email="andre@example.org",
        email_verified=True,
        status="active",
        locale="en-US",
        time_zone="America/Indiana/Indianapolis",
        picture_url=None,
        links={"home": "https://carson.example/"},
        tags=("house",),
        attributes={"state": "IN"},
        external_id="hr:4711",
        groups=(ProfileGroup(group_id=_GROUP, slug="ssju", name="Judiciary", role="Chairman"),),
        created_at=_REGISTERED,
        updated_at=_CHANGED,
        version=1,
        profile_version=2,
    ),
    GroupRecord(
        group_id=_GROUP,
        slug="ssju",
        name="Judiciary",
        description="Judges and their nominations.",
        external_id=None,
        member_count=22,
        created_at=_REGISTERED,
        updated_at=_CHANGED,
        version=3,
    ),
    MemberCard(
        account_id=_ACCOUNT,
        handle="andre",
        display_name="André Carson",
        status="active",
        role="Chairman",
        since=_CHANGED,
    ),
    ActivityRecord(
        account_id=_ACCOUNT,
        type="handle-changed",
        position=1042,
        at=_CHANGED,
        actor="hr-sync",
        details={"old": "acarson", "new": "andre"},
    ),
    StatsRecord(
        accounts=AccountCounts(active=538, suspended=2, closed=1),
        groups=48,
        memberships=3_200,
        registrations=(DayCount("2026-11-25", 541),),
    ),
)
