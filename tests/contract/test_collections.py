"""What tests write for the read side is what the projector writes."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from projector.folding.documents import Key
from projector.folding.index_changes import Indexer
from projector.folding.index_entries import SortedEntry
from projector.projections.activity import activity
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.stats import stats
from shared.read_model.records import ActivityRecord, Membership, StatsRecord
from tests.support.collections import (
    filed_activity,
    filed_group,
    filed_membership,
    filed_people,
    filed_stats,
)
from tests.support.crowds import GROUPS, crowd

AT = datetime(1960, 5, 17, 12, 30, 1, 7, tzinfo=UTC)
MEMBERSHIPS = [Membership(role=role, since=AT) for role in ("Chair", "año", "x")]
EVENT = ActivityRecord(
    account_id=UUID(int=5), type="email-changed", position=300, at=AT, actor="system", details={"old": "a", "new": "b"}
)


@pytest.mark.parametrize(
    ("projection", "filed"),
    [
        (profiles, filed_people(crowd(100))),
        (groups, [*map(filed_group, GROUPS), *(filed_membership(UUID(int=7), UUID(int=8), m) for m in MEMBERSHIPS)]),
        (activity, [filed_activity(EVENT.account_id, EVENT)]),
        (stats, [filed_stats(StatsRecord())]),
    ],
    ids=["profiles", "groups", "activity", "stats"],
)
def test_documents_are_found_where_the_projector_puts_them(projection, filed):
    """The same entries and index rows under the same ids; derived twice, so that neither is right by accident."""
    records = {kind.name: kind.record for kind in projection.kinds}
    indexer = Indexer(projection)

    for each in filed:
        record = msgspec.json.decode(each.body, type=records[each.kind])
        change = indexer.change(Key(each.kind, each.id), [None, record], anew=False)
        listed = {(entry.by, entry.entry) for entry in change.additions if isinstance(entry, SortedEntry)}
        unique_entries = {(entry.by, entry.value) for entry in change.additions if not isinstance(entry, SortedEntry)}

        assert set(each.listed) == listed
        assert set(each.unique_entries) == unique_entries
        assert each.index_row == change.index_row
