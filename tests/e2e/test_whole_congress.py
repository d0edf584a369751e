"""A real directory, posted as one stream; it comes late among the files, since the others would fold it too."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

CONGRESS = Path(__file__).parents[3] / "shared" / "data" / "congress.jsonl"
PEOPLE, COMMITTEES, SEATS = 537, 230, 3_879
RENAMED = "ssju"


class Congress:
    """What the file says, and the ids that its people were given."""

    def __init__(self, lines: Sequence[bytes], *, of_how_many: int) -> None:
        """:param of_how_many: committees one has its seats; the others have none."""
        commands = [json.loads(line) for line in lines]
        slugs = [each["slug"] for each in commands if each["command"] == "create-group"]
        seated = {RENAMED, *slugs[::of_how_many]}
        self.commands = [each for each in commands if each.get("group", RENAMED) in seated]
        self.people, self.committees, self.seats = map(
            self._named, ("register-account", "create-group", "add-group-member")
        )
        self.ids: dict[str, str] = {}

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.commands if each["command"] == name]

    def learn(self, outcomes: Sequence[dict[str, Any]]) -> None:
        """Take the outcome of each command."""
        for command, outcome in zip(self.commands, outcomes, strict=True):
            if command["command"] == "register-account":
                self.ids[f"ext:{command['external_id']}"] = outcome["id"]

    def members(self, slug: str) -> dict[str, str]:
        """Roles, by account id."""
        return {self.ids[each["account"]]: each["role"] for each in self.seats if each["group"] == slug}


@pytest.fixture(params=[3, pytest.param(1, marks=pytest.mark.soak)], ids=["third", "whole"])
def congress(request):
    if not CONGRESS.exists():
        pytest.skip(f"the sample of real people is not at {CONGRESS.name} beside the clone")
    congress = Congress(CONGRESS.read_bytes().splitlines(), of_how_many=request.param)
    assert (len(congress.people), len(congress.committees)) == (PEOPLE, COMMITTEES)
    assert len(congress.seats) > SEATS // 4
    return congress


async def test_the_whole_congress_is_posted_as_one_stream_and_read_back(muster, congress):
    """All people and committees, and the seats, field by field; a committee's new name is there for all of it."""
    stream = b"".join(json.dumps(each).encode() + b"\n" for each in congress.commands)
    streamed = await muster.write.post("/commands", content=stream, headers={"Content-Type": "application/x-ndjson"})
    outcomes = [json.loads(line) for line in streamed.raise_for_status().text.splitlines()]
    muster.position = outcomes[-1]["position"]
    congress.learn(outcomes)

    assert [(each["line"], each["status"]) for each in outcomes] == [
        (nth, 200) for nth, _ in enumerate(congress.commands, start=1)
    ]
    await assert_people_are_as_sent(muster, congress)
    await assert_committees_are_as_sent(muster, congress)
    await assert_every_seat_is_taken(muster, congress)
    await assert_a_new_name_shows_in_all_members(muster, congress)


async def assert_people_are_as_sent(muster, congress) -> None:
    """André Carson by handle, by external id and by the beginnings of the names too."""
    ids = list(congress.ids.values())
    found = [each for some in (ids[:500], ids[500:]) for each in await muster.found(some)]
    records = {each["external_id"]: each for each in found}
    for person in congress.people:
        sent = {field: value for field, value in person.items() if field != "command"}
        assert {field: records[person["external_id"]][field] for field in sent} == sent
    carson = await muster.record("/profiles/by-handle/andre.carson")
    assert carson["display_name"] == "André Carson"
    assert carson == await muster.record("/profiles/by-external-id/bioguide:C001072")
    assert [carson] == (await muster.record("/profiles?q=andre+car&tag=rep"))["items"]


async def assert_committees_are_as_sent(muster, congress) -> None:
    """With their sizes; and Cory Booker with all seats."""
    for sent in congress.committees:
        record = await muster.record(f"/groups/{sent['slug']}")
        assert (record["name"], record["description"]) == (sent["name"], sent.get("description") or None)
        assert record["member_count"] == len(congress.members(sent["slug"]))
    booker = await muster.record("/profiles/by-external-id/bioguide:B001288")
    names = {each["slug"]: each["name"] for each in congress.committees}
    seats = [each for each in congress.seats if each["account"] == f"ext:{booker['external_id']}"]
    assert [(each["slug"], each["name"], each["role"]) for each in booker["groups"]] == [
        (seat["group"], names[seat["group"]], seat["role"]) for seat in seats
    ]


async def assert_every_seat_is_taken(muster, congress) -> None:
    """With its role, and none that is not in the file; asked for by committee, and one by one in some of them."""
    for nth, committee in enumerate(congress.committees):
        members = congress.members(committee["slug"])
        path = f"/groups/{committee['slug']}/members"
        cards = (await muster.record(f"{path}?limit=200"))["items"]
        assert {each["account_id"]: each["role"] for each in cards} == members
        if nth % 10:
            continue
        assert {(await muster.get(f"{path}/{account}")).status_code for account in islice(members, 2)} <= {200}
        stranger = next(account for account in congress.ids.values() if account not in members)
        assert (await muster.get(f"{path}/{stranger}")).status_code == 404


async def assert_a_new_name_shows_in_all_members(muster, congress) -> None:
    """To a reader of what reflects the renaming."""
    await muster.done("update-group", group=RENAMED, name="Judiciary")

    renamed = (await muster.record(f"/profiles?group={RENAMED}&limit=200"))["items"]

    assert {each["account_id"] for each in renamed} == set(congress.members(RENAMED))
    assert {group["name"] for each in renamed for group in each["groups"] if group["slug"] == RENAMED} == {"Judiciary"}
