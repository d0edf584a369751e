"""With a record parked, a verification finds what is wrong and nothing else; in memory and on Valkey."""

import msgspec
import pytest

from projector.projections.groups import groups
from projector.projections.profiles import profiles
from shared.read_model.envelope import seal, unseal
from shared.read_model.ordering import EVERYBODY, STATUSES, place, text_key
from tests.support.bugs import of_account, poisoned
from tests.support.folding import fold_all
from tests.support.histories import GROUP_IDS, History, nth_id
from tests.support.verifying import PROFILES, be_live, differences_in, edit, log_of, verify

ADA, BOB, CYD = map(nth_id, (1, 2, 3))
BOARD = nth_id(GROUP_IDS)
SEATED = 8
"""How many events there are before the first that cannot be folded."""


@pytest.fixture
def history():
    """Three people and a group of two; then a lot happens to Ada, and Bob takes a handle that she has given up."""
    history = History()
    for handle in ("ada", "bob", "cyd"):
        history.register(handle)
    history.create_group("board", name="Board")
    history.add_member(BOARD, ADA)
    history.change_handle(ADA, "countess")
    history.change_handle(BOB, "ada")
    history.rename_group(BOARD, "Elders")
    history.add_member(BOARD, CYD)
    history.update(ADA, title="Dr")
    return history


async def fold(hand, history, projection, *, code):
    await fold_all(hand.subject(projection).model, history.events, projection=projection, code=code)


def buggy(projection):
    fails = of_account(ADA)
    return poisoned(projection, lambda recorded: recorded.position > SEATED and fails(recorded))


@pytest.fixture
async def behind(hand, history):
    """A live generation of profiles in which Ada waits for a release that can fold what happened to her."""
    await be_live(hand, profiles)
    await fold(hand, history, buggy(profiles), code="buggy")
    return hand


async def test_what_is_parked_is_no_difference(behind, history):
    """Neither by the code that cannot fold it nor by one that can; nor once that has."""
    log = log_of(history.events)
    one, other = await verify(behind, log, profiles), await verify(behind, log, buggy(profiles))

    await fold(behind, history, profiles, code="mended")
    afterwards = await verify(behind, log, profiles)

    assert [(differences_in(each), each.stale) for each in (one, other, afterwards)] == [
        (set(), 1),
        (set(), 1),
        (set(), 0),
    ]


async def parked_record_edited(hand):
    await edit(hand, PROFILES, "profile", "full", ADA, bio="x")
    return {(f"profile {ADA}", "bio")}


async def mark_missing(hand):
    await edit(hand, PROFILES, "profile", "full", ADA, stale_since=None)
    return {(f"profile {ADA}", "stale_since")}


async def mark_of_the_header_missing(hand):
    key = PROFILES.documents("profile", "full")
    position, _, body, _, public = unseal(await hand.read(key, str(ADA)))
    await hand.put(key, str(ADA), seal(position=position, body=body, public=public))
    return {(f"profile {ADA}", "stale_since")}


async def parked_record_deleted(hand):
    await hand.take(PROFILES.documents("profile", "full"), str(ADA))
    return {(f"profile {ADA}", "document")}


async def entry_of_the_parked_missing(hand):
    entry = EVERYBODY + STATUSES["active"] + place(text_key("Ada"), ADA)
    await hand.strike(PROFILES.sorted_entries("display_name"), entry)
    return {(f"profile {ADA}", "list:display_name")}


async def look_up_of_another_missing(hand):
    await hand.take(PROFILES.unique_entries("by-handle"), "ada")
    return {(f"profile {BOB}", "by-handle ada")}


async def foreign_look_up_that_makes_up_the_number(hand):
    """Ada's own look-up is not there: the other has it."""
    await hand.put(PROFILES.unique_entries("by-handle"), "ghost", str(CYD).encode())
    return {("by-handle ghost", "by-handle")}


async def another_record_edited(hand):
    await edit(hand, PROFILES, "profile", "full", CYD, title="Usurper")
    return {(f"profile {CYD}", "title")}


async def as_if_nothing_were_parked(hand):
    """The record as it would be had all been folded."""
    key = PROFILES.documents("profile", "full")
    position, _, body, _, _ = unseal(await hand.read(key, str(ADA)))
    record = msgspec.json.decode(body) | {"handle": "countess", "title": "Dr"}
    del record["stale_since"]
    await hand.put(key, str(ADA), seal(position=position, body=msgspec.json.encode(record)))
    return {(f"profile {ADA}", field) for field in ("handle", "title", "stale_since")}


DAMAGE = (
    parked_record_edited,
    mark_missing,
    mark_of_the_header_missing,
    parked_record_deleted,
    entry_of_the_parked_missing,
    look_up_of_another_missing,
    foreign_look_up_that_makes_up_the_number,
    another_record_edited,
    as_if_nothing_were_parked,
)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda each: each.__name__)
async def test_damage_is_found_named_and_repaired(behind, history, damage):
    """Of parked records and of others; what was parked still is, and is right once it can be folded."""
    expected, log = await damage(behind), log_of(history.events)

    found = await verify(behind, log, profiles)
    repaired = await verify(behind, log, profiles, repair=True)
    afterwards = await verify(behind, log, profiles)
    await fold(behind, history, profiles, code="mended")
    mended = await verify(behind, log, profiles)

    assert differences_in(found) == expected
    assert repaired.stands == 0
    assert (differences_in(afterwards), afterwards.stale) == (set(), 1)
    assert (differences_in(mended), mended.stale) == (set(), 0)


async def test_a_group_that_is_parked_is_stale_with_those_who_join_it(hand, history):
    """In the projection of groups an event is folded into the group and the membership, or into neither."""
    await be_live(hand, groups)
    fails = poisoned(groups, lambda recorded: recorded.position == SEATED)
    await fold(hand, history, fails, code="buggy")

    verified = await verify(hand, log_of(history.events), groups)

    assert differences_in(verified) == set()
    assert verified.stale == len({f"group {BOARD}", f"membership {BOARD}:{ADA}", f"membership {BOARD}:{CYD}"})


async def test_whose_unique_entry_it_is_is_unknown_while_the_record_is_parked(behind, history):
    """So that of the parked is left out: another may have had it since, and have left it."""
    await behind.take(PROFILES.unique_entries("by-email"), "ada@example.org")

    verified = await verify(behind, log_of(history.events), profiles)

    assert differences_in(verified) == set()
