"""Where the parts of read models lie that are divided."""

from collections import Counter

import pytest

from shared.ids import TimeOrderedIds
from shared.read_model.keys import HOME
from shared.read_model.partitions import SLOTS, Partitions
from shared.redis.cluster import slot_of

COUNTS = (2, 3, 5, 12, 24, 48, 96)


def test_one_partition_is_at_home():
    """Its keys are those of releases that had no partitions."""
    assert Partitions(1).keyspaces == [HOME]
    assert HOME.projection("profiles").live == "muster:{0}:profiles:live"


@pytest.mark.parametrize("count", COUNTS)
def test_nodes_with_equal_ranges_have_as_many_partitions(count):
    slots = [slot_of(each.tag) for each in Partitions(count).keyspaces]

    for nodes in (each for each in range(1, count + 1) if count % each == 0):
        owners = Counter(slot * nodes // SLOTS for slot in slots)
        assert owners == dict.fromkeys(range(nodes), count // nodes)


def test_partitions_of_two_layouts_share_no_key():
    tags = [each.tag for count in COUNTS for each in Partitions(count).keyspaces]

    assert len(set(tags)) == len(tags) == sum(COUNTS)


@pytest.mark.parametrize("count", COUNTS)
def test_partitions_have_about_as_many_ids(count):
    partitions, ids = Partitions(count), TimeOrderedIds()
    found = Counter(partitions.of(str(ids.new())) for _ in range(count * 200))

    assert found.keys() == set(range(count))
    assert max(found.values()) < 2 * 200


def test_where_something_lies_never_changes():
    """A release that put it elsewhere would find nothing."""
    partitions = Partitions(12)

    assert partitions.of("019acb1e-6c00-7000-8000-00000000002a") == 2
    assert partitions.of_entry("by-handle", "ada") == 9
    assert [each.tag for each in partitions.keyspaces][:3] == ["12.0.6", "12.1.5", "12.2.8"]
