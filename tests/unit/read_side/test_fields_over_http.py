"""`fields=`: answers with only some fields of each record."""

import json

import pytest

from shared.auth.authentication import TokenAuthentication
from shared.auth.principal import PRIVATE, READ
from tests.support.read_side import ADA, BOB
from tests.unit.authenticated_apps import AuthenticatedApps
from tests.unit.read_side.test_look_ups_over_http import BY_ID, problem

ONE = {
    BY_ID: ("handle,title", {"account_id", "handle", "title"}),
    "/profiles/by-handle/ada": ("account_id", {"account_id"}),
    "/profiles/by-email/ada@example.org": ("links,bio", {"account_id", "links", "bio"}),
    "/groups/ssju": ("slug,member_count", {"group_id", "slug", "member_count"}),
    f"/groups/ssju/members/{ADA.account_id}": ("role", {"account_id", "role"}),
    "/stats": ("groups", {"groups"}),
}
LISTS = {
    "/profiles": ("handle,tags", {"account_id", "handle", "tags"}),
    "/profiles?q=ada&status=any": ("email", {"account_id", "email"}),
    "/groups": ("name", {"group_id", "name"}),
    "/groups/ssju/members": ("since,since", {"account_id", "since"}),
    f"{BY_ID}/activity": ("type,at", {"account_id", "type", "at"}),
}
EVERY_READ = [*ONE, *LISTS]


def asking(path, fields):
    return f"{path}{'&' if '?' in path else '?'}fields={fields}"


@pytest.mark.parametrize(("path", "fields", "expected"), [(path, *each) for path, each in ONE.items()])
async def test_a_record_has_the_fields_that_were_asked_for(client, directory, path, fields, expected):
    """And its id; each as in the whole record, and in the same order."""
    whole = (await client.get(path)).json()

    answer = await client.get(asking(path, fields))

    assert answer.status_code == 200
    assert answer.json() == {name: whole[name] for name in expected}
    assert list(answer.json()) == [name for name in whole if name in expected]
    assert answer.headers["muster-position"]


@pytest.mark.parametrize(("path", "fields", "expected"), [(path, *each) for path, each in LISTS.items()])
async def test_so_have_all_records_of_a_list(client, directory, path, fields, expected):
    """The rest of the page is as it is."""
    whole = (await client.get(path)).json()

    page = (await client.get(asking(path, fields))).json()

    assert page == {**whole, "items": [{name: each[name] for name in expected} for each in whole["items"]]}
    assert page["items"]


async def test_so_have_those_of_a_batch(client, directory):
    """Keys that nobody has are named as ever."""
    body = {"ids": [str(ADA.account_id)], "handles": ["nobody"]}

    answer = await client.post("/profiles/batch-get?fields=handle", json=body)

    assert answer.json()["found"] == [{"account_id": str(ADA.account_id), "handle": "Ada"}]
    assert answer.json()["missing"]["handles"] == ["nobody"]


@pytest.mark.parametrize("path", EVERY_READ)
async def test_the_answer_has_a_tag_of_its_own(client, directory, path):
    """By which it is known again, and the whole is not."""
    fields = {**ONE, **LISTS}[path][0]
    whole, part = await client.get(path), await client.get(asking(path, fields))

    again = await client.get(asking(path, fields), headers={"If-None-Match": part.headers["etag"]})

    assert whole.headers["etag"] != part.headers["etag"]
    assert again.status_code == 304


async def test_fields_may_be_given_one_by_one(client, directory):
    """As many clients send a list."""
    together = await client.get(f"{BY_ID}?fields=handle,title")

    assert (await client.get(f"{BY_ID}?fields=handle&fields=title")).content == together.content


async def test_the_next_page_has_the_same_fields(client, directory):
    """And a cursor leads on, whatever fields are asked for then."""
    first = await client.get("/profiles?limit=1&fields=handle")
    second = await client.get(first.url.join(first.links["next"]["url"]))
    other = await client.get(f"/profiles?limit=1&fields=title&cursor={first.json()['next_cursor']}")

    assert [*map(set, (first.json()["items"][0], second.json()["items"][0]))] == [{"account_id", "handle"}] * 2
    assert other.json()["items"][0].keys() == {"account_id", "title"}


@pytest.mark.parametrize("path", EVERY_READ)
async def test_a_field_that_is_none_is_named(client, directory, path):
    """422 says which, and which there are."""
    for fields in ("nickname", "handle,nickname", "", ",", "Handle", "handle, title", "*"):
        answer = await client.get(asking(path, fields))

        assert (answer.status_code, problem(answer)) == (422, ("invalid", ["?fields"])), fields
        assert "none of" in answer.json()["errors"][0]["detail"]


class TestCallersWhoMaySeeLess:
    @pytest.fixture
    async def client(self, keys):
        authentication = TokenAuthentication(keys.directory, audience="muster")
        async with AuthenticatedApps(authentication).client("read") as client:
            client.headers.update(keys.headers(READ))
            yield client

    @pytest.mark.parametrize("path", [BY_ID, "/profiles", f"/profiles/{BOB.account_id}"])
    @pytest.mark.parametrize("field", ["email", "external_id", "attributes"])
    async def test_are_told_of_the_scope_that_they_lack(self, client, path, field):
        """Rather than be answered without the field, as if there were none."""
        answer = await client.get(asking(path, f"handle,{field}"))

        assert (answer.status_code, problem(answer)) == (403, ("insufficient-scope", []))
        assert PRIVATE in answer.json()["detail"]

    async def test_see_the_others(self, client):
        answer = await client.get(asking(BY_ID, "handle,title"))

        assert json.loads(answer.content).keys() == {"account_id", "handle", "title"}
