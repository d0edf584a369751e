"""The fold that is compared with the store comes to what a store holds, and says what a document may be meanwhile."""

from contextlib import nullcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.adapters.memory.inspector import MemoryGenerationInspector
from projector.audit.verify.expectation import Expectations
from projector.audit.verify.fold import Fold
from projector.audit.verify.verification import ReadModelUnstable
from projector.declaring.errors import EventNotFoldable
from projector.declaring.projection import Projection
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from projector.store.collections import Index, Variant, index_of, item_of, key_of
from shared.read_model.keys import HOME, INDEX_ROW
from shared.read_model.ordering import text_key
from tests.support.folding import at_once, cleanly_folded
from tests.support.histories import History
from tests.support.projections import derived
from tests.support.verifying import PROFILES, LiveGeneration, Meanwhile, differences_in, edit
from tests.unit.projector.random_histories import SETTLED, group_histories, histories


class ListedByGroup(Projection):
    """A projection as there is none yet: what becomes of a group moves its members in a list."""

    def fan_out(self, event):
        logged = super().fan_out(event)
        return logged and logged._replace(reindexes=True)

    def index_row(self, key, record):
        if (index_row := super().index_row(key, record)) is None:
            return None
        names = " ".join(group.name for group in record.groups)
        return msgspec.structs.replace(index_row, keys=(index_row.keys[0], text_key(names), *index_row.keys[2:]))


listed_by_group = derived(profiles, ListedByGroup)
projections = st.sampled_from([*PROJECTIONS, listed_by_group])
fanned_out = st.sampled_from([profiles, listed_by_group, groups])


def folded(log, projection, *, portion):
    fold = Fold(projection)
    for start in range(0, len(log), portion):
        fold.advance(log[start : start + portion])
    return fold


def as_held(fold):
    """What a store should hold, as `held` tells what it does."""
    keys = HOME.projection(fold.projection.name).generation("g1")
    content = {}
    for key in fold:
        expected = Expectations(fold).final(key)
        stored = {INDEX_ROW: expected.packed, "full": expected.full}
        for variant in expected.variants:
            content.setdefault(_name(Variant(key.kind, variant), keys), {})[key.id] = stored[variant]
        for entry in expected.entries:
            name = _name(index_of(entry), keys)
            if index_of(entry).is_list:
                content.setdefault(name, set()).add(item_of(entry))
            else:
                content.setdefault(name, {})[item_of(entry)] = key.id.encode()
    return content


def _name(collection, keys):
    return key_of(collection, keys).removeprefix(keys.prefix)


@given(log=histories() | group_histories(), projection=projections, portion=st.integers(1, 20))
def test_it_comes_to_what_a_store_holds(log, projection, portion):
    """Every byte of it, the positions that documents reflect included, in portions of any size."""
    expected = at_once(cleanly_folded(log, projection))

    assert expected == as_held(folded(log, projection, portion=portion))


@given(
    log=group_histories(),
    projection=projections,
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=8),
)
def test_nothing_is_found_wherever_a_projector_stops(log, projection, steps):
    """
    In the middle of the log and of fan-outs: what has been fanned out, and what has not, are both right.

    Only before an erasure that the log has already, nothing can be said.
    """
    generation = LiveGeneration(log, projection)
    for step in steps:
        generation.fold(steps=[step])

        with pytest.raises(ReadModelUnstable, match="was erased") if generation.is_erasing else nullcontext():
            assert differences_in(generation.verify()) == set()


@given(
    log=group_histories(),
    projection=fanned_out,
    start=st.integers(SETTLED, 20),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=5, max_size=30),
)
def test_nothing_is_found_while_a_projector_goes_on(log, projection, start, steps):
    """Whatever it does between two looks, the fold is where the store was at each."""
    generation, coming = LiveGeneration(log, projection), iter(steps)
    generation.fold(steps=[(start, 1000)])

    verified = generation.verify_meanwhile(lambda: generation.fold(steps=[next(coming, (1, 1))]))

    assert differences_in(verified) == set()


class WhileWalking(Meanwhile):
    """The projector takes a step only before one list is walked."""

    async def inspect(self, pointers, query):
        return await MemoryGenerationInspector.inspect(self, pointers, query)

    async def walk(self, pointer, collection):
        walk = super().walk if collection == Index("handle", is_list=True) else super(Meanwhile, self).walk
        async for items in walk(pointer, collection):
            yield items


def test_what_a_fan_out_moves_during_a_walk_is_no_stranger():
    """Nobody was touched by an event since it was found out what should be on the list."""
    history = History()
    board = history.create_group("board", name="Board")
    history.add_member(board, history.register("ada"))
    history.rename_group(board, "Elders")
    history.rename_group(board, "Singers")
    generation = LiveGeneration(history.events, listed_by_group)
    generation.fold(steps=[(len(history.events) - 1, 0)])

    verified = generation.verify_meanwhile(lambda: generation.fold(steps=[(1, 1)]), kind=WhileWalking)

    assert differences_in(verified) == set()


@pytest.fixture
def renamed():
    """A group of three that is renamed; the fan-out has come to one of them."""
    history = History()
    board = history.create_group("board", name="Board")
    for handle in ("ada", "bob", "cyd"):
        history.add_member(board, history.register(handle))
    before = len(history.events)
    history.rename_group(board, "Elders")
    generation = LiveGeneration(history.events)
    generation.fold(steps=[(before, 0), (1, 1)])
    return generation, history, board


def test_what_a_fan_out_has_passed_by_must_have_taken_it_up(renamed):
    """A torn fan-out does not hide a record that it should have changed; what is still ahead of it may be either."""
    generation, history, board = renamed
    ada, bob, _ = history.handles
    old = [{"group_id": str(board), "slug": "board", "name": "Board", "role": "member"}]
    at_once(edit(generation.hand, PROFILES, "profile", "full", ada, groups=old))
    at_once(edit(generation.hand, PROFILES, "profile", "full", bob, groups=old))

    found = generation.verify()

    assert differences_in(found) == {(f"profile {ada}", "groups")}


def test_a_repair_in_the_middle_of_a_fan_out_gives_what_comes_of_it(renamed):
    """The fan-out goes on from there, and ends as if nothing had been."""
    generation, history, _ = renamed
    _, bob, cyd = history.handles
    at_once(edit(generation.hand, PROFILES, "profile", "full", bob, title="Dr"))
    at_once(edit(generation.hand, PROFILES, "profile", "full", cyd, groups=[]))

    repaired = generation.verify(repair=True)
    generation.fold(size=9)

    assert (repaired.differences, repaired.stands) == (2, 0)
    assert differences_in(generation.verify()) == set()


def test_what_it_cannot_fold_it_names():
    """By its position, without what it says."""
    history = History()
    history.meet_the_unknown()

    with pytest.raises(EventNotFoldable, match=r"position 1 .*'account-enchanted' is unknown"):
        Fold(profiles).advance(history.events)
