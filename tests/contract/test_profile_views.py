"""What all profile views promise, on every adapter."""

import asyncio

import msgspec
import pytest

from read_side.views import Match, Matches, NeverFilled, ProfileKeys
from shared.read_model.records import PublicProfileRecord
from tests.contract.view_sides import ALSO_IN_PARTS, side_on
from tests.support.read_side import (
    ADA,
    BOB,
    blocked_reader,
    changed,
    every_question,
    person,
    served,
)

ID = str(ADA.account_id)


@pytest.fixture(params=[*ALSO_IN_PARTS, "fakeredis", "cluster", pytest.param("cluster/3", marks=pytest.mark.soak)])
async def side(request):
    """Views, and what fills them."""
    async with side_on(request.param, "profiles", request) as side:
        yield side


async def test_every_key_leads_to_the_same_document(side):
    """By id, handle, e-mail address and external id: the bytes that were stored, with their entity tag."""
    views, projection = side
    projection.commit(ADA, BOB, position=7)

    answers = [
        await views.by_id(ID),
        await views.by_handle("Ada"),
        await views.by_email("Ada@Example.org"),
        await views.by_external_id("books/notes:G"),
    ]

    assert [answers[0]] * 4 == answers
    assert served(answers[0]) == ADA
    assert answers[0].position == 7


async def test_look_ups_are_as_blind_to_case_as_uniqueness_is(side):
    """Handles and e-mail addresses without case, in any form of Unicode and of a domain; external ids as they are."""
    views, projection = side
    projection.commit(changed(ADA, handle="ADA.L", email="Zo\u00eb@B\u00dcCHER.Example"), position=1)

    assert (await views.by_handle("ada.l")).document
    for email in ("ZOE\u0308@bu\u0308cher.EXAMPLE", "zo\u00eb@XN--BCHER-kva.example"):
        assert (await views.by_email(email)).document
    assert (await views.by_external_id("BOOKS/notes:G")).document is None


async def test_who_is_not_there_is_missing_as_of_the_checkpoint(side):
    """Nobody, and nothing that a key could be mistaken for."""
    views, projection = side
    projection.commit(ADA, position=7)

    for key in ("nobody", "", "\0", "*", "muster:{0}:profiles:live", "\u202e", "x" * 100_000):
        assert await views.by_handle(key) == Match(7, None)
        assert await views.by_email(key) == Match(7, None)
        assert await views.by_external_id(key) == Match(7, None)
        assert await views.by_id(key) == Match(7, None)


async def test_a_key_given_up_leads_nowhere(side):
    """Only the present handle finds a person."""
    views, projection = side
    projection.commit(ADA, position=1)

    projection.commit(changed(ADA, handle="countess"), position=2)

    assert await views.by_handle("ada") == Match(2, None)
    assert served(await views.by_handle("countess")).handle == "countess"


async def test_the_public_document_is_found_by_every_key_too(side):
    """It tells neither e-mail address nor external id, even to who asked by them."""
    views, projection = side
    projection.commit(ADA, position=7)

    public = [
        await views.by_id(ID, variant="public"),
        await views.by_handle("ada", variant="public"),
        await views.by_email("ada@example.org", variant="public"),
        await views.by_external_id("books/notes:G", variant="public"),
    ]

    assert [public[0]] * 4 == public
    assert b"example.org" not in public[0].document.body
    assert msgspec.json.decode(public[0].document.body, type=PublicProfileRecord).handle == "Ada"


@pytest.mark.parametrize("variant", ["full", "public"])
async def test_many_keys_are_sorted_into_found_and_missing(side, variant):
    """Each person once, in the order asked for: ids, handles, e-mail addresses, external ids."""
    views, projection = side
    projection.commit(ADA, BOB, person(1), person(2), position=7)
    keys = ProfileKeys(
        ids=(str(BOB.account_id), "00000000-0000-0000-0000-000000000000"),
        handles=("PERSON1", "nobody", "bob"),
        emails=("ada@EXAMPLE.org", ""),
        external_ids=("person:2", "PERSON:2", "books/notes:G"),
    )

    batch = await views.by_keys(keys, variant=variant)

    handles = [msgspec.json.decode(each, type=PublicProfileRecord).handle for each in batch.found]
    assert handles == ["bob", "person1", "Ada", "person2"]
    assert batch.found[0] == (await views.by_id(str(BOB.account_id), variant=variant)).document.body
    assert batch.position == 7
    assert batch.missing == ProfileKeys(
        ids=("00000000-0000-0000-0000-000000000000",), handles=("nobody",), emails=("",), external_ids=("PERSON:2",)
    )


@pytest.mark.parametrize("variant", ["full", "public"])
async def test_ids_alone_are_sorted_into_found_and_missing(side, variant):
    """Each person once, in the order asked for."""
    views, projection = side
    projection.commit(ADA, BOB, position=7)
    ids = (str(BOB.account_id), str(ADA.account_id), "00000000-0000-0000-0000-000000000000", str(BOB.account_id))

    batch = await views.by_keys(ProfileKeys(ids=ids), variant=variant)

    single = [(await views.by_id(each, variant=variant)).document.body for each in ids[:2]]
    assert batch._replace(tags=()) == Matches(7, tuple(single), ProfileKeys(ids=ids[2:3]))


async def test_no_keys_find_nobody(side):
    """But the position is told."""
    views, projection = side
    projection.commit(ADA, position=7)

    assert await views.by_keys(ProfileKeys()) == Matches(7, (), ProfileKeys())
    assert await views.position() == 7


async def test_before_the_first_fill_nobody_is_missing(side):
    """`NeverFilled`, whatever is asked."""
    views, _ = side

    assert {NeverFilled} == set(map(type, await every_question(views)))


async def test_after_everything_was_lost_nobody_is_missing(side):
    """FLUSHALL is not the same as a directory without people."""
    views, projection = side
    projection.commit(ADA, position=7)
    assert (await views.by_id(ID)).document

    projection.forget()

    assert {NeverFilled} == set(map(type, await every_question(views)))


async def test_what_is_filled_again_is_found_again(side):
    """Without a new start of the read side."""
    views, projection = side
    projection.commit(ADA, position=7)
    projection.forget()
    assert {NeverFilled} == set(map(type, await every_question(views)))

    projection.commit(ADA, position=8)

    assert (await views.by_handle("ada")).position == 8


async def test_a_commit_wakes_who_waits_for_it(side):
    """By its announcement: the reader would wait for a minute otherwise."""
    views, projection = side
    projection.commit(ADA, position=7)
    reader = await blocked_reader(views, minimum=8)

    async with asyncio.timeout(30):
        projection.commit(changed(ADA, handle="countess"), position=8)
        answer = await reader

    assert answer.position == 8
    assert served(answer).handle == "countess"
