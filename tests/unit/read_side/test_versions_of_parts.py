"""Readers of several partitions while these go to another version, one after the other, at any moment."""

import asyncio
from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_side.adapters.redis.transport.batcher import Reply, Seen
from read_side.adapters.redis.transport.consistent_read import (
    Attempt,
    ConsistentRead,
    GenerationMoved,
    until_consistent,
)
from read_side.adapters.redis.transport.generation import Partition
from read_side.adapters.redis.transport.layout import Layout
from read_side.adapters.redis.transport.reads import Field, Fields, Range
from read_side.adapters.redis.transport.scatter import Scatter
from read_side.freshness import Freshness
from shared.errors import Unavailable
from shared.read_model.partitions import Partitions
from tests.support.folding import at_once

THREE = Partitions(3)
FRESHNESS = Freshness("profiles", patience=1.0)
OWN = [Partition(each.projection("profiles"), names=dict, freshness=FRESHNESS) for each in THREE.keyspaces]
LAYOUT = Layout(THREE, OWN, [], (), {"slugs"})
PEOPLE = [b"%036d" % nth for nth in range(12)]


class Answer(NamedTuple):
    """What a reader found: the versions that took part."""

    position: int
    versions: frozenset[bytes]


class Changing:
    """
    Partitions that go to version 2 and back, the first one before the others, while they are asked.

    :param steps: how many of them go before each question; the rest of a change comes before the reader asks again.
    """

    def __init__(self, steps, *, changes):
        self.versions = [1] * 3
        self._steps = iter(steps)
        self._left = deque((nth, version) for version in (2, 1)[:changes] for nth in range(3))

    async def ask(self, partition, *fields, reads=()):
        for _ in range(next(self._steps, 3)):
            if self._left:
                nth, version = self._left.popleft()
                self.versions[nth] = version
        version = self.versions[OWN.index(partition)]
        told = b"%d" % version
        results = [[told] * (len(each.fields) if isinstance(each, Fields) else 1) for each in reads]
        seen = Seen(partition, f"g{version}", version, 7, b"")
        return Reply(7, [told] * len(fields), results, [seen])


def scatter(changing, *, patience=1.0):
    return Scatter(changing.ask, LAYOUT, patience=patience)


async def page(read):
    """Ask one partition, then all, then some: as a list of a group's members is found."""
    (slug,) = (await read.ask(Field("slugs", b"board"))).values
    [entries] = (await read.ask(reads=(Range("list", b"-", b"+", 50),))).results
    [documents] = (await read.ask(reads=(Fields("full", tuple(PEOPLE[:2])),))).results
    return Answer(read.position, frozenset({slug, *entries, *documents}))


@given(steps=st.lists(st.integers(0, 2), max_size=40), changes=st.integers(1, 2))
def test_an_answer_is_of_one_version_whenever_partitions_change(steps, changes):
    """And it is always given: who meets two versions asks again, and a change takes a moment."""
    asking = scatter(Changing(steps, changes=changes))

    async def look():
        return Attempt(await page(ConsistentRead(asking.ask)), consistent=True)

    answer = asyncio.run(until_consistent(look, attempts=3))

    assert len(answer.versions) == 1


async def test_two_versions_are_not_waited_out_for_ever():
    """As where a node is away: there is no answer, rather than one of both."""
    changing = Changing([1, 0, 0], changes=1)

    with pytest.raises(Unavailable, match="Another version"):
        await scatter(changing, patience=0.0).ask()


def test_another_trip_to_other_partitions_is_of_the_same_version():
    """Though it saw none of those that were asked before."""
    changing = Changing([0, 1], changes=1)
    read = ConsistentRead(scatter(changing).ask)
    one, other = (next(each for each in PEOPLE if THREE.of(each.decode()) == nth) for nth in (1, 0))
    at_once(read.ask(Field("full", one)))

    with pytest.raises(GenerationMoved):
        at_once(read.ask(Field("full", other)))
