"""`GET /profiles/{id}/export` as a client sees it."""

import asyncio

import msgspec

from read_side.http.resources.export import Export
from shared.read_model.records import ProfileGroup
from tests.support.directory import HAPPENED, JUDICIARY, member_of
from tests.support.read_side import ADA, BOB, changed, until_a_read_waits
from tests.unit.read_side.test_look_ups_over_http import problem

EXPORT = f"/profiles/{ADA.account_id}/export"


def exported(response):
    return msgspec.convert(response.json(), Export, strict=False)


async def test_everything_that_is_held_of_one_person_is_in_one_document(client, directory, views):
    """The full record, by what it is found, a card for each group, and what happened, newest first."""
    ada = member_of(JUDICIARY, ADA)
    views.commit(ada, position=10)

    export = exported(await client.get(EXPORT))

    [membership] = export.memberships
    assert (export.account_id, export.profile) == (ADA.account_id, ada)
    assert membership.group == ProfileGroup(
        group_id=JUDICIARY.group_id, slug=JUDICIARY.slug, name=JUDICIARY.name, role="member"
    )
    assert (membership.card.account_id, membership.card.role) == (ADA.account_id, "Chairman")
    assert export.activity == tuple(reversed(HAPPENED))
    assert export.look_ups.handle == ADA.handle.lower()
    assert export.look_ups.email == ADA.email.lower()
    assert export.look_ups.external_id == ADA.external_id


async def test_it_is_as_fresh_as_the_oldest_of_what_it_is_made_of(client, directory, groups):
    """Profiles at 7, groups at 8, activity at 9; then only profiles are behind."""
    response = await client.get(EXPORT)

    assert response.headers["muster-position"] == "7"
    assert response.headers["cache-control"] == "private, no-cache"


async def test_a_long_life_is_told_whole(client, directory, activity):
    much = [changed(HAPPENED[0], position=position) for position in range(10, 500)]
    activity.commit(*((ADA.account_id, each) for each in much), position=500)

    export = exported(await client.get(EXPORT))

    assert [each.position for each in export.activity] == [*range(499, 9, -1), 3, 1]


async def test_who_has_it_already_is_not_sent_it_again(client, directory):
    first = await client.get(EXPORT)

    again = await client.get(EXPORT, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    assert again.headers["etag"] == first.headers["etag"]


async def test_it_waits_for_all_that_it_is_made_of(client, directory, views, groups, activity):
    """Whichever is the last to come so far."""
    views.commit(position=20)
    groups.commit(position=20)
    asking = asyncio.create_task(client.get(f"{EXPORT}?min_position=20"))
    await until_a_read_waits(activity)

    activity.commit(position=20)

    response = await asking
    assert (response.status_code, response.headers["muster-position"]) == (200, "20")


async def test_nobody_is_exported_who_is_not_there(client, directory):
    response = await client.get(EXPORT.replace(str(ADA.account_id), "00000000-0000-0000-0000-000000000000"))

    assert response.status_code == 404
    assert problem(response)[0] == "profile-not-found"


async def test_there_is_nothing_else_to_ask(client, directory):
    assert problem(await client.get(f"{EXPORT}?limit=3")) == ("invalid", ["?limit"])
    assert problem(await client.get("/profiles/nobody/export")) == ("invalid", ["{id}"])


async def test_an_account_without_activity_is_exported_all_the_same(client, directory):
    export = exported(await client.get(EXPORT.replace(str(ADA.account_id), str(BOB.account_id))))

    assert (export.profile, export.memberships, export.activity) == (BOB, (), ())
