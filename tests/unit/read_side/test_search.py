"""What a search cannot see of the partitions that it asks."""

import pytest

from read_side.adapters.list_query import ListLimits
from read_side.adapters.redis.lists.lengths import ListLengths
from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.lists.search import Search
from read_side.adapters.redis.transport.batcher import Reply, Seen
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.adapters.redis.transport.generation import Partition
from read_side.freshness import Freshness
from shared.read_model.keys import HOME

ADA, BOB = b"a" * 16, b"b" * 16


def reply(*ids, checkpoints):
    partition = Partition(HOME.projection("profiles"), names=lambda _: {}, freshness=Freshness("profiles", patience=0))
    seen = [Seen(partition, "g1", 1, 7, each) for each in checkpoints]
    return Reply(7, [], [[b"p" + b"name\0" + each for each in ids]], seen)


@pytest.mark.parametrize(
    ("first", "found"), [([b"1", b"2"], {ADA, BOB}), ([b"2", b"2"], {ADA})], ids=["something moves", "nothing moves"]
)
async def test_a_record_that_moves_within_one_answer_is_met(first, found):
    """Several partitions may take more than one trip to answer one question, the first one too."""
    replies = [reply(ADA, checkpoints=first), reply(BOB, checkpoints=[b"2"])]

    async def ask(*fields, reads):
        return replies.pop(0)

    search = Search(ConsistentRead(ask), query=None, lengths=ListLengths(ListLimits()))

    assert {*await search._ids(RangeScan("by-name", (b"p",)))} == found
