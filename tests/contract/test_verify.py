"""Whatever is not as the log tells is found, named by entity and field, and repaired; in memory and on Valkey."""

import pytest

from projector.audit.live import NothingToVerify
from projector.processing.fork_check import LogForked
from projector.projections.groups import groups
from projector.projections.profiles import profiles
from projector.projections.registry import PROJECTIONS
from shared.read_model.envelope import seal, unseal
from shared.read_model.keys import INDEX_ROW
from shared.read_model.ordering import EVERYBODY, STATUSES, place, text_key
from tests.support.histories import GROUP_IDS, History, nth_id
from tests.support.verifying import GROUPS, PROFILES, differences_in, edit, fill, log_of, verify

NAMES = PROFILES.sorted_entries("display_name")
GHOST, BOARD = nth_id(666), nth_id(GROUP_IDS)
EVERYBODY_ACTIVE = EVERYBODY + STATUSES["active"]


@pytest.fixture
def history():
    """Three people and a group of two."""
    history = History()
    ada, bob, _ = (
        history.register("ada", external_id="A1", title="Analyst", tags=("engine",)),
        history.register("bob"),
        history.register("cyd"),
    )
    board = history.create_group("board")
    history.add_member(board, ada)
    history.add_member(board, bob)
    return history


@pytest.fixture
def people(history):
    return list(history.handles)


@pytest.fixture
async def filled(hand, history):
    for projection in PROJECTIONS:
        await fill(hand, history.events, projection)
    return hand


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
async def test_nothing_is_found_where_nothing_is_wrong(filled, history, projection):
    """And everything was looked at."""
    verified = await verify(filled, log_of(history.events), projection)

    assert differences_in(verified) == set()
    assert verified.position == len(history.events)
    assert verified.documents > 0


async def record_edited(hand, ada, bob):
    await edit(hand, PROFILES, "profile", "full", ada, title="Countess", bio="x")
    return {(f"profile {ada}", "title"), (f"profile {ada}", "bio")}


async def record_deleted(hand, ada, bob):
    await hand.take(PROFILES.documents("profile", "full"), str(bob))
    return {(f"profile {bob}", "document")}


async def look_up_elsewhere(hand, ada, bob):
    await hand.put(PROFILES.unique_entries("by-handle"), "ada", str(bob).encode())
    return {(f"profile {ada}", "by-handle ada")}


async def look_up_missing(hand, ada, bob):
    await hand.take(PROFILES.unique_entries("by-external-id"), "A1")
    return {(f"profile {ada}", "by-external-id A1")}


async def entry_missing(hand, ada, bob):
    await hand.strike(NAMES, EVERYBODY_ACTIVE + place(text_key("Ada"), ada))
    return {(f"profile {ada}", "list:display_name")}


async def foreign_entry(hand, ada, bob):
    entry = EVERYBODY_ACTIVE + place(b"ghost", GHOST)
    await hand.enlist(NAMES, entry)
    return {(f"list:display_name {repr(entry)[2:-1]}", "list:display_name")}


async def entry_in_the_place_of_another(hand, ada, bob):
    """As many as there should be, and not those."""
    return await entry_missing(hand, ada, bob) | await foreign_entry(hand, ada, bob)


async def more_is_shown_to_everybody(hand, ada, bob):
    """The record itself is as it should be."""
    key = PROFILES.documents("profile", "full")
    position, _, body, _, _ = unseal(await hand.read(key, str(ada)))
    await hand.put(key, str(ada), seal(position=position, body=body, public=len(body) - 1))
    return {(f"profile {ada}", "public")}


async def index_row_edited(hand, ada, bob):
    index_rows = PROFILES.documents("profile", INDEX_ROW)
    await hand.put(index_rows, str(ada), await hand.read(index_rows, str(bob)))
    fields = ("facets", "keys", "words")
    return {(f"profile {ada}", f"index_row.{field}") for field in fields}


async def index_row_deleted(hand, ada, bob):
    await hand.take(PROFILES.documents("profile", INDEX_ROW), str(ada))
    return {(f"profile {ada}", "index_row")}


async def foreign_look_up(hand, ada, bob):
    await hand.put(PROFILES.unique_entries("by-handle"), "ghost", str(ada).encode())
    return {("by-handle ghost", "by-handle")}


async def foreign_kind_of_look_up(hand, ada, bob):
    await hand.put(PROFILES.unique_entries("by-shoe-size"), "42", str(ada).encode())
    return {("by-shoe-size 42", "by-shoe-size")}


async def foreign_list(hand, ada, bob):
    await hand.enlist(PROFILES.sorted_entries("shoe_size"), b"42")
    return {("list:shoe_size 42", "list:shoe_size")}


async def foreign_document(hand, ada, bob):
    await hand.put(PROFILES.documents("profile", "full"), str(GHOST), seal(position=1, body=b"{}"))
    return {(f"profile {GHOST}", "document")}


async def foreign_index_row(hand, ada, bob):
    index_rows = PROFILES.documents("profile", INDEX_ROW)
    await hand.put(index_rows, str(GHOST), await hand.read(index_rows, str(bob)))
    return {(f"profile {GHOST}", "index_row")}


async def not_a_document(hand, ada, bob):
    await hand.put(PROFILES.documents("profile", "full"), str(ada), b"scribble")
    return {(f"profile {ada}", "document")}


async def other_bytes(hand, ada, bob):
    """The same JSON, but nobody would get the same entity tag again."""
    key = PROFILES.documents("profile", "full")
    position, _, body, _, public = unseal(await hand.read(key, str(ada)))
    await hand.put(key, str(ada), seal(position=position, body=body.replace(b'":', b'": ', 1), public=public))
    return {(f"profile {ada}", "document")}


async def wrong_tag(hand, ada, bob):
    key = PROFILES.documents("profile", "full")
    stored = await hand.read(key, str(ada))
    await hand.put(key, str(ada), stored.replace(stored.split(b'"')[1], b"AAAA", 1))
    return {(f"profile {ada}", "etag")}


async def ahead_of_the_checkpoint(hand, ada, bob):
    """Events up to there would not be folded into it."""
    key = PROFILES.documents("profile", "full")
    _, _, body, _, public = unseal(await hand.read(key, str(ada)))
    await hand.put(key, str(ada), seal(position=99, body=body, public=public))
    return {(f"profile {ada}", "position")}


DAMAGE = (
    record_edited,
    record_deleted,
    look_up_elsewhere,
    look_up_missing,
    entry_missing,
    foreign_entry,
    entry_in_the_place_of_another,
    more_is_shown_to_everybody,
    index_row_edited,
    index_row_deleted,
    foreign_look_up,
    foreign_kind_of_look_up,
    foreign_list,
    foreign_document,
    foreign_index_row,
    not_a_document,
    other_bytes,
    wrong_tag,
    ahead_of_the_checkpoint,
)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda each: each.__name__)
async def test_damage_is_found_named_and_repaired(filled, history, people, damage):
    """Exactly what was done, and nothing is left of it."""
    expected = await damage(filled, *people[:2])
    log = log_of(history.events)

    found = await verify(filled, log, profiles)
    repaired = await verify(filled, log, profiles, repair=True)
    afterwards = await verify(filled, log, profiles)

    assert differences_in(found) == expected
    assert (repaired.differences, repaired.repaired) == (len(expected), len(expected))
    assert differences_in(afterwards) == set()


async def test_much_of_it_at_once(filled, history, people):
    """However much is wrong, the generation is what the log tells afterwards."""
    spoilt = (record_deleted, look_up_elsewhere, look_up_missing, entry_in_the_place_of_another)
    foreign = (foreign_look_up, foreign_kind_of_look_up, foreign_list, foreign_document)
    for damage in (*spoilt, index_row_edited, *foreign, not_a_document):
        await damage(filled, *people[:2])
    log = log_of(history.events)

    repaired = await verify(filled, log, profiles, repair=True)

    assert repaired.differences > 12
    assert repaired.stands == 0
    assert differences_in(await verify(filled, log, profiles)) == set()


async def test_a_membership_is_a_record_too(filled, history, people):
    """And so are the lists of those who have a role."""
    board = next(iter(history.slugs))
    membership = f"{board}:{people[0]}"
    await edit(filled, GROUPS, "membership", "full", membership, role="chair")
    [entry, *_] = await filled.entries(GROUPS.sorted_entries("member-role"))
    await filled.strike(GROUPS.sorted_entries("member-role"), entry)

    repaired = await verify(filled, log_of(history.events), groups, repair=True)

    assert differences_in(repaired) == {
        (f"membership {membership}", "role"),
        (f"membership {membership}", "list:member-role"),
    }
    assert repaired.stands == 0


async def test_a_repair_raises_the_revision(filled, history, people):
    """So that the processor of the generation looks again; and what is right is not written."""
    model = filled.subject(profiles).model
    before = (await model.survey()).checkpoint
    await record_edited(filled, *people[:2])

    await verify(filled, log_of(history.events), profiles, repair=True)
    once = (await model.survey()).checkpoint
    await verify(filled, log_of(history.events), profiles, repair=True)

    assert (once.position, once.count, once.revision) == (before.position, before.count, before.revision + 1)
    assert (await model.survey()).checkpoint == once


async def test_another_log_is_no_difference_but_an_error(filled):
    """Nothing can be said of a generation that was made from other events."""
    history = History(salt=1)
    history.register("ada")

    with pytest.raises(LogForked, match="the log is not the one that was projected"):
        await verify(filled, log_of(history.events), profiles)


async def test_a_generation_that_is_not_there_cannot_be_verified(hand):
    with pytest.raises(NothingToVerify, match="no generation is live yet"):
        await verify(hand, log_of([]), profiles)
