"""How two generations differ, while both are being fed."""

import asyncio

import msgspec
import pytest

from projector.declaring.projection import Projection
from projector.folding.parking import NOTHING
from projector.projections.changes import changes
from projector.projections.profiles import profiles
from projector.rebuilding.comparison import Comparer, ComparisonLimits, OneComparison, reason_to_hold
from projector.store.generations import Comparison, Order
from projector.store.inspection import GenerationSnapshot
from projector.store.ports import ProjectionStore
from shared.read_model.envelope import seal
from shared.read_model.positions import Checkpoint, FanOutProgress, Pointer
from shared.runtime.retry import poll
from tests.support.folding import ORDER

LOOKS = 50
LIVE, OTHER = Pointer("g1", 1), Pointer("g2", 2)


def sealed(position, *, is_tagged=True, **record):
    return seal(position=position, body=msgspec.json.encode(record), is_tagged=is_tagged)


class Scripted:
    """Two generations as they are seen at each look: how far they have come, and their documents by id."""

    def __init__(self, *looks, damaged=None):
        self._looks = list(looks)
        self._damaged = damaged
        self.looked = 0

    async def walk(self, pointer, collection):
        yield self._now()[pointer][1] if collection.kind in {"profile", "changes"} else {}

    async def inspect(self, pointers, query):
        self.looked += 1
        return [
            snapshot(at, {(key, "full"): documents.get(key.id) for key in query.documents}, damaged=self._damaged)
            for at, documents in (self._now()[pointer] for pointer in pointers)
        ]

    def _now(self):
        return self._looks[min(self.looked, len(self._looks) - 1)]


def snapshot(at, documents, *, damaged):
    checkpoint = at if isinstance(at, Checkpoint) else Checkpoint(position=at)
    return GenerationSnapshot(LIVE, checkpoint, NOTHING, damaged, documents, owners={}, sizes={})


def look(live, other):
    return {LIVE: live, OTHER: other}


async def compared(*looks, confirmed=500, damaged=None, projection=profiles):
    inspector = Scripted(*looks, damaged=damaged)
    limits = ComparisonLimits(confirmed=confirmed, side_by_side=poll(0, attempts=LOOKS))
    return await Comparer(ProjectionStore(projection, None, inspector), limits=limits).compare(LIVE, OTHER), inspector


async def test_equal_records_are_equal_wherever_their_events_stand():
    """The entity tags are compared, not the envelopes."""
    comparison, inspector = await compared(
        look((9, {"ada": sealed(3, title="Dr")}), (9, {"ada": sealed(5, title="Dr")}))
    )

    assert comparison == Comparison(records=1)
    assert inspector.looked == 0


async def test_what_one_of_them_keeps_no_longer_is_no_difference():
    """Whichever is trimmed further, and whether it is gone there already; what is kept by both is compared."""
    live, other = Checkpoint(position=99, trimmed=31), Checkpoint(position=99, trimmed=63)
    feed, less = (
        {nth: sealed(99, items=nth) for nth in "0123"},
        {"2": sealed(99, items="2"), "3": sealed(99, items="x")},
    )

    for looks in (look((live, feed), (other, less)), look((other, less), (live, feed))):
        comparison, _ = await compared(looks, projection=changes)

        assert (comparison.records, comparison.gone, comparison.new, comparison.changed) == (2, 0, 0, 1)


@pytest.mark.parametrize("is_tagged", [True, False])
async def test_each_kind_of_difference_is_told_with_its_fields(is_tagged):
    """Of documents without an entity tag too."""
    live = {"ada": sealed(3, is_tagged=is_tagged, title="Dr", bio="x"), "bob": sealed(4, title=None)}
    changed = sealed(3, is_tagged=is_tagged, title="DR", bio="x", email="a@example.org")
    other = {"ada": changed, "cyd": sealed(4, title=None)}

    comparison, _ = await compared(look((9, live), (9, other)))

    assert (comparison.records, comparison.new, comparison.gone, comparison.changed) == (2, 1, 1, 1)
    told = {(each.difference, each.kind, each.id, each.fields) for each in comparison.samples}
    assert told == {
        ("changed", "profile", "ada", ("title", "email")),
        ("gone", "profile", "bob", ()),
        ("new", "profile", "cyd", ()),
    }


@pytest.mark.parametrize(("rekeyed", "gone"), [(1, 1), (2, 0)])
async def test_what_had_another_key_in_an_older_version_is_not_missed(rekeyed, gone):
    """LIVE is of version 1, OTHER of version 2."""
    profile = Projection("profiles", version=2, rekeyed=rekeyed, documents=profiles.kinds)
    ada = sealed(3, title="Dr")

    comparison, _ = await compared(look((9, {"item-1": ada}), (9, {"ada": ada})), projection=profile)

    assert (comparison.records, comparison.new, comparison.gone) == (1, 1, gone)


@pytest.mark.parametrize(
    ("live", "other"),
    [
        ((9, {"ada": sealed(9, title="new")}), (8, {"ada": sealed(3, title="old")})),
        ((8, {"ada": sealed(3, title="old")}), (9, {"ada": sealed(9, title="new")})),
        ((9, {"ada": sealed(9, title="new")}), (8, {})),
        ((8, {}), (9, {"ada": sealed(9, title="new")})),
        ((9, {}), (8, {"ada": sealed(3, title="old")})),
        ((8, {"ada": sealed(3, title="old")}), (9, {})),
    ],
    ids=["other behind", "live behind", "not there yet", "new", "dropped", "dropped first"],
)
async def test_what_only_one_of_them_knows_yet_is_no_difference(live, other):
    """It is looked at again until the other has come as far."""
    done = (10, {"ada": sealed(9, title="new")})

    comparison, inspector = await compared(look(live, other), look(live, other), look(done, done))

    assert (comparison.new, comparison.gone, comparison.changed) == (0, 0, 0)
    assert inspector.looked >= 2


async def test_what_an_event_that_was_parked_is_being_brought_to_is_no_difference():
    """Positions do not tell how far that has come."""
    retrying = Checkpoint(position=9, fan_outs=(FanOutProgress(4, since=9),))
    ada, other = {"ada": sealed(7, title="old")}, {"ada": sealed(7, title="new")}
    under_way = look((retrying, ada), (9, other))

    comparison, _ = await compared(under_way, under_way, look((9, other), (9, other)))

    assert comparison == Comparison(records=1)


async def test_a_missing_record_is_told_although_the_other_generation_is_ahead_for_a_moment():
    """Once the live one has come as far, nothing but a defect can explain it."""
    ada = {"ada": sealed(3, title="Dr")}

    comparison, _ = await compared(look((8, ada), (9, {})), look((8, ada), (9, {})), look((10, ada), (9, {})))

    assert comparison.gone == 1


async def test_what_keeps_moving_is_not_called_a_difference():
    ada, other = {"ada": sealed(9, title="new")}, {"ada": sealed(3, title="old")}

    comparison, inspector = await compared(look((9, ada), (8, other)))

    assert (comparison.changed, inspector.looked) == (0, LOOKS)


async def test_nobody_waits_for_a_generation_that_is_damaged():
    """It comes no further, so that a rebuild that replaces it would wait for nothing."""
    ada, other = {"ada": sealed(3, title="old")}, {"ada": sealed(9, title="new")}

    comparison, inspector = await compared(look((8, ada), (9, other)), damaged="applied in part")

    assert (comparison.changed, inspector.looked) == (0, 1)


async def test_of_many_differences_only_some_are_looked_at_again():
    """All are counted."""
    live = {str(number): sealed(3, title="old") for number in range(50)}
    other = {str(number): sealed(3, title="new") for number in range(50)}

    comparison, _ = await compared(look((9, live), (9, other)), confirmed=3)

    assert (comparison.changed, len(comparison.samples)) == (50, 3)


@pytest.mark.parametrize(
    ("comparison", "order", "why"),
    [
        (Comparison(records=10, gone=1), ORDER, None),
        (Comparison(records=10, gone=2), ORDER, "2 of 10 records would be gone"),
        (Comparison(records=10, gone=2), Order(by="x", at=ORDER.at, force=True), None),
        (Comparison(records=10, gone=2), Order(by="x", at=ORDER.at, force=True, hold=True), "it was to wait here"),
        (Comparison(records=10), Order(by="x", at=ORDER.at, hold=True), "it was to wait here"),
        (Comparison(records=0, new=5), ORDER, None),
    ],
)
def test_what_would_shrink_the_directory_is_held(comparison, order, why):
    found = reason_to_hold(comparison, order)

    assert (found is None) if why is None else (why in found)


async def test_an_outcome_is_that_of_the_generations_asked_for():
    """Not of others, whose comparison was begun before and is given up."""
    given_up, done = [], asyncio.Event()

    async def compare(live, other):
        try:
            await asyncio.sleep(0 if other.generation == "g3" else 60)
        except asyncio.CancelledError:
            given_up.append(other.generation)
            raise
        return Comparison(records=3)

    one = OneComparison(compare, when_done=done.set)
    live, second, third = (Pointer(name, 1) for name in ("g1", "g2", "g3"))
    assert one.of(live, second) is None
    await asyncio.sleep(0)

    assert one.of(live, third) is None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done.clear()
    while (found := one.of(live, third)) is None:
        await done.wait()

    assert (found, given_up) == (Comparison(records=3), ["g2"])
