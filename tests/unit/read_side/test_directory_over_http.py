"""`GET /export`: all people and groups, as commands and as a table."""

import csv
import io
from itertools import groupby

import msgspec
import pytest

from read_side.http.exporting.table import COLUMNS
from read_side.http.exporting.walk import EVERYONE
from shared.errors import Unavailable
from shared.read_model.records import ProfileGroup
from tests.support.directory import JUDICIARY
from tests.support.read_side import ADA, BOB, changed, person
from tests.unit.read_side.test_look_ups_over_http import problem

pytestmark = pytest.mark.usefixtures("views", "groups")


def commands(response):
    assert response.status_code == 200, response.text
    return [msgspec.json.decode(line) for line in response.content.splitlines()]


def rows(response):
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


async def test_groups_come_first_then_people_then_their_memberships(client, views):
    """Not each person with theirs: what depends on a line before it cannot share its transaction."""
    chair = ProfileGroup(group_id=JUDICIARY.group_id, slug="ssju", name="Judiciary", role="Chair")
    views.commit(*(changed(each, groups=(chair,)) for each in (ADA, BOB)), position=7)

    response = await client.get("/export")

    told = commands(response)
    kinds = [kind for kind, _ in groupby(each["command"] for each in told)]
    assert kinds == ["create-group", "register-account", "add-group-member"]
    registered = [each for each in told if each["command"] == "register-account"]
    assert {each["account_id"] for each in registered} == {str(ADA.account_id), str(BOB.account_id)}
    assert response.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert response.headers["Muster-Position"] == "7"


async def test_a_person_has_all_fields_that_a_registration_takes(client):
    [ada] = [each for each in commands(await client.get("/export")) if each.get("account_id") == str(ADA.account_id)]

    record = msgspec.json.decode(msgspec.json.encode(ADA))
    assert {name: record[name] for name in ada if name != "command"} == {
        name: value for name, value in ada.items() if name != "command"
    }
    assert {name for name in ("email", "external_id", "attributes") if record[name]} <= ada.keys()


async def test_who_is_suspended_or_closed_becomes_so_behind_their_memberships(client, views, groups):
    group = commands(await client.get("/export"))[0]
    membership = {"group_id": group["group_id"], "slug": group["slug"], "name": group["name"], "role": "Chair"}
    gone = msgspec.convert({**msgspec.to_builtins(person(7)), "status": "closed", "groups": [membership]}, type(ADA))
    views.commit(gone, position=8)

    told = [each for each in commands(await client.get("/export")) if str(gone.account_id) in each.values()]

    account = str(gone.account_id)
    assert [each["command"] for each in told] == ["register-account", "add-group-member", "close-account"]
    assert told[1:] == [
        {"command": "add-group-member", "group": group["group_id"], "account": account, "role": "Chair"},
        {"command": "close-account", "account": account},
    ]


async def test_more_than_a_page_is_exported_whole(client, views):
    many = [person(number) for number in range(100, EVERYONE.limit + 160)]
    views.commit(*many, position=9)

    told = [each["handle"] for each in commands(await client.get("/export")) if each["command"] == "register-account"]

    assert sorted(told) == sorted([ADA.handle, BOB.handle, *(each.handle for each in many)])
    assert len(rows(await client.get("/export?format=csv"))) == len(told)


async def test_a_table_says_of_everyone_what_their_record_says(client, views):
    """Texts that a spreadsheet would carry out are marked as text; lists are read back as they were."""
    hostile = changed(person(8), display_name='=HYPERLINK("x")', bio='a "b",\nc', tags=("a;b", "c"), title="+1")
    views.commit(hostile, position=8)

    told = {row["account_id"]: row for row in rows(await client.get("/export?format=csv"))}

    assert tuple(told[str(ADA.account_id)]) == COLUMNS
    row = told[str(hostile.account_id)]
    assert row["display_name"] == '\'=HYPERLINK("x")'
    assert row["title"] == "'+1"
    assert row["bio"] == 'a "b",\nc'
    assert msgspec.json.decode(row["tags"]) == ["a;b", "c"]
    assert told[str(ADA.account_id)]["tags"] == ";".join(ADA.tags)


async def test_an_unknown_format_is_refused(client):
    assert problem(await client.get("/export?format=xls")) == ("invalid", ["?format"])


async def test_nothing_is_exported_of_what_was_never_filled(client, empty_groups):
    empty_groups.forget()
    assert problem(await client.get("/export")) == ("read-model-not-filled", [])


async def test_a_view_that_does_not_answer_is_asked_again(client, views, monkeypatch):
    ask, failures = views.list, [Unavailable("away"), Unavailable("away")]

    async def sometimes(query, **options):
        if failures:
            raise failures.pop()
        return await ask(query, **options)

    monkeypatch.setattr(views, "list", sometimes)

    assert len(commands(await client.get("/export"))) > 2
    assert not failures
