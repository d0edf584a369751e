"""How the projectors that are there share the partitions: evenly, and with as few changes of hands as can be."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple
from zlib import crc32


class Share(NamedTuple):
    """
    A partition, as far as its leases say who feeds it.

    :param holder: the id of the projector that does; None if none does that is there.
    :param present: the ids of those that could.
    """

    holder: str | None
    present: Collection[str]


def shared_out(partitions: Mapping[str, Share], *, settled: frozenset[str]) -> Mapping[str, str]:
    """
    Return who is to feed each partition, by its hash tag: all who see the same come to the same.

    Who feeds it goes on, unless another one that could has two less: so none has more than a fair part, rounded up.
    Between those with equally few the hash of partition and projector decides (rendezvous hashing).

    :param settled: the ids of those to whom others give anything up; what nobody feeds goes to any.
    """
    plan = {tag: share.holder for tag, share in partitions.items() if share.holder}
    loads = Counter(plan.values())
    for tag in sorted(partitions.keys() - plan.keys()):
        if fewest := _fewest(tag, partitions[tag].present, loads):
            plan[tag] = fewest
            loads[fewest] += 1
    could = {tag: settled.intersection(share.present) for tag, share in partitions.items()}
    while uneven := _most_uneven(plan, could, loads):
        tag, fewest = uneven
        loads.subtract([plan[tag]])
        loads[fewest] += 1
        plan[tag] = fewest
    return plan


def _fewest(tag: str, could: Collection[str], loads: Mapping[str, int]) -> str | None:
    return min(could, key=lambda each: (loads[each], _rank(tag, each)), default=None)


def _most_uneven(
    plan: Mapping[str, str], could: Mapping[str, Collection[str]], loads: Mapping[str, int]
) -> tuple[str, str] | None:
    """Return a partition that is to change hands, and who is to have it."""
    gaps = (
        (loads[plan[tag]] - loads[fewest], _rank(tag, fewest), tag, fewest)
        for tag in plan
        if (fewest := _fewest(tag, could[tag], loads))
    )
    gap, _, tag, fewest = max(gaps, default=(0, 0, "", ""))
    return (tag, fewest) if gap > 1 else None


def _rank(tag: str, projector: str) -> int:
    return crc32(f"{tag} {projector}".encode())
