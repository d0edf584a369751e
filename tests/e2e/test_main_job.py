"""The main job on the real stack: a command is posted, and a moment later the record is read."""

import asyncio
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.load import registration
from tests.support.sessions import log_held
from tests.support.stack import Stack, not_behind

CONGRESS = Path(__file__).parents[3] / "shared" / "data" / "congress.jsonl"
PEOPLE, LINES = 537, 4_646


class Muster:
    """The two APIs as a client uses them, with the position of his last command."""

    def __init__(self, write: httpx.AsyncClient, read: httpx.AsyncClient) -> None:
        self.write = write
        self._read = read
        self.position = 0

    async def post(self, command: str, **fields: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if (key := fields.pop("key", None)) else {}
        answer = await self.write.post(f"/commands/{command}", json=fields, headers=headers)
        self.position = max(self.position, int(answer.headers.get("Muster-Position", 0)))
        return answer

    async def done(self, command: str, **fields: Any) -> dict[str, Any]:
        """The outcome of a command that must succeed."""
        return (await self.post(command, **fields)).raise_for_status().json()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Read what reflects all that was posted; who is told to come again does so."""
        fresh = {"Muster-Min-Position": str(self.position)} | headers
        return await not_behind(lambda: self._read.get(path, headers=fresh))

    async def record(self, path: str) -> dict[str, Any]:
        return (await self.get(path)).raise_for_status().json()


@pytest.fixture
async def muster(stack: Stack):
    async with (
        httpx.AsyncClient(headers=stack.headers, base_url=stack.addresses.write, timeout=60, trust_env=False) as write,
        httpx.AsyncClient(headers=stack.headers, base_url=stack.addresses.read, timeout=20, trust_env=False) as read,
    ):
        yield Muster(write, read)


@pytest.fixture
def name() -> str:
    """A name nobody else has."""
    return f"e2e.{uuid4().hex[:12]}"


async def test_who_is_registered_can_be_read_a_moment_later(muster, name):
    """By every key, in the same bytes, with all that was sent and the times of the events."""
    sent = registration(name) | {"given_name": "Ada", "links": {"home": "https://ada.example"}, "locale": "en-GB"}

    outcome = await muster.done("register-account", **sent)
    answers = [
        await muster.get(f"/profiles/{outcome['id']}"),
        await muster.get(f"/profiles/by-handle/{name.upper()}"),
        await muster.get(f"/profiles/by-email/{name.upper()}@Example.org"),
        await muster.get(f"/profiles/by-external-id/load:{name}"),
    ]

    record = answers[0].raise_for_status().json()
    assert {field: record[field] for field in sent} == sent
    assert (record["account_id"], record["version"], record["profile_version"]) == (outcome["id"], 1, 1)
    assert (record["status"], record["created_at"]) == ("active", record["updated_at"])
    assert {answer.content for answer in answers} == {answers[0].content}
    assert {answer.headers["ETag"] for answer in answers} == {answers[0].headers["ETag"]}
    assert all(int(answer.headers["Muster-Position"]) >= outcome["position"] for answer in answers)


async def test_what_changes_shows_in_the_record(muster, name):
    """Each command in turn; what is given up is found no more."""
    account = (await muster.done("register-account", **registration(name), given_name="Ada"))["id"]
    path = f"/profiles/{account}"

    await muster.done("update-profile", account=account, title="Analyst", tags=["engine"], given_name=None)
    await muster.done("change-handle", account=f"@{name}", handle=f"{name}.new")
    await muster.done("change-email", account=f"ext:load:{name}", email=f"new.{name}@example.org")
    changed = await muster.record(path)
    await muster.done("suspend-account", account=account)
    suspended = await muster.record(path)
    await muster.done("reinstate-account", account=account)
    reinstated = await muster.record(path)
    await muster.done("close-account", account=account)
    closed = await muster.record(f"/profiles/by-handle/{name}.new")

    assert (changed["title"], changed["tags"], changed["given_name"]) == ("Analyst", ["engine"], None)
    assert (changed["handle"], changed["email"]) == (f"{name}.new", f"new.{name}@example.org")
    assert [each["status"] for each in (suspended, reinstated, closed)] == ["suspended", "active", "closed"]
    assert [each["version"] for each in (changed, suspended, reinstated, closed)] == [3, 4, 5, 6]
    assert closed["profile_version"] == 2
    assert (await muster.get(f"/profiles/by-handle/{name}")).status_code == 404
    assert (await muster.get(f"/profiles/by-email/{name}@example.org")).status_code == 404


async def test_a_reader_who_has_the_record_is_told_so(muster, name):
    """304 until it changes; the tag of a look-up is that of the record."""
    account = (await muster.done("register-account", **registration(name)))["id"]
    etag = (await muster.get(f"/profiles/{account}")).headers["ETag"]

    same = await muster.get(f"/profiles/by-handle/{name}", **{"If-None-Match": etag})
    await muster.done("update-profile", account=account, title="Analyst")
    other = await muster.get(f"/profiles/by-handle/{name}", **{"If-None-Match": etag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert (other.status_code, other.json()["title"]) == (200, "Analyst")
    assert other.headers["ETag"] != etag


class Congress:
    """What the file says, and the ids that its people were given."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.commands = [json.loads(line) for line in lines]
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


@pytest.fixture
def congress():
    if not CONGRESS.exists():
        pytest.skip(f"the sample of real people is not at {CONGRESS.name} beside the clone")
    return Congress(CONGRESS.read_bytes().splitlines())


async def test_the_whole_congress_is_posted_as_one_stream_and_read_back(muster, congress):
    """All 537 people, 230 committees and 3,879 seats, field by field; a committee's new name is there for all of it."""
    streamed = await muster.write.post(
        "/commands", content=CONGRESS.read_bytes(), headers={"Content-Type": "application/x-ndjson"}
    )
    outcomes = [json.loads(line) for line in streamed.raise_for_status().text.splitlines()]
    muster.position = outcomes[-1]["position"]
    congress.learn(outcomes)

    assert [(each["line"], each["status"]) for each in outcomes] == [(n, 200) for n in range(1, LINES + 1)]
    assert (len(congress.people), len(congress.committees), len(congress.seats)) == (PEOPLE, 230, 3_879)
    await assert_people_are_as_sent(muster, congress)
    await assert_committees_are_as_sent(muster, congress)
    await assert_every_seat_is_taken(muster, congress)
    await assert_a_new_name_shows_in_all_members(muster, congress)


async def assert_people_are_as_sent(muster, congress) -> None:
    """André Carson by handle, by external id and by the beginnings of his names too."""
    for person in congress.people:
        sent = {field: value for field, value in person.items() if field != "command"}
        record = await muster.record(f"/profiles/{congress.ids['ext:' + person['external_id']]}")
        assert {field: record[field] for field in sent} == sent
    carson = await muster.record("/profiles/by-handle/andre.carson")
    assert carson["display_name"] == "André Carson"
    assert carson == await muster.record("/profiles/by-external-id/bioguide:C001072")
    assert [carson] == (await muster.record("/profiles?q=andre+car&tag=rep"))["items"]


async def assert_committees_are_as_sent(muster, congress) -> None:
    """With their sizes; and Cory Booker with all he sits on."""
    for sent in congress.committees:
        record = await muster.record(f"/groups/{sent['slug']}")
        assert (record["name"], record["description"]) == (sent["name"], sent.get("description"))
        assert record["member_count"] == len(congress.members(sent["slug"]))
    booker = await muster.record("/profiles/by-external-id/bioguide:B001288")
    names = {each["slug"]: each["name"] for each in congress.committees}
    seats = [each for each in congress.seats if each["account"] == f"ext:{booker['external_id']}"]
    assert [(each["slug"], each["name"], each["role"]) for each in booker["groups"]] == [
        (seat["group"], names[seat["group"]], seat["role"]) for seat in seats
    ]


async def assert_every_seat_is_taken(muster, congress) -> None:
    """With its role, and none that is not in the file; asked for by committee, and one by one in each of them."""
    for committee in congress.committees:
        members = congress.members(committee["slug"])
        path = f"/groups/{committee['slug']}/members"
        cards = (await muster.record(f"{path}?limit=200"))["items"]
        assert {each["account_id"]: each["role"] for each in cards} == members
        assert {(await muster.get(f"{path}/{account}")).status_code for account in islice(members, 2)} <= {200}
        stranger = next(account for account in congress.ids.values() if account not in members)
        assert (await muster.get(f"{path}/{stranger}")).status_code == 404


async def assert_a_new_name_shows_in_all_members(muster, congress) -> None:
    """To whoever reads what reflects the renaming."""
    await muster.done("update-group", group="ssju", name="Judiciary")

    renamed = (await muster.record("/profiles?group=ssju&limit=200"))["items"]

    assert {each["account_id"] for each in renamed} == set(congress.members("ssju"))
    assert {group["name"] for each in renamed for group in each["groups"] if group["slug"] == "ssju"} == {"Judiciary"}


async def test_handles_swapped_within_one_batch(muster, stack, name):
    """By way of a third; an appender that idles has the projector take all three changes at once."""
    one, other, third = f"{name}.1", f"{name}.2", f"{name}.3"
    first = (await muster.done("register-account", **registration(one)))["id"]
    second = (await muster.done("register-account", **registration(other)))["id"]
    assert (await muster.record(f"/profiles/{second}"))["handle"] == other

    with log_held(stack.addresses.database_url):
        await muster.done("change-handle", account=first, handle=third)
        await muster.done("change-handle", account=second, handle=one)
        await muster.done("change-handle", account=first, handle=other)
        not_yet = await muster.get(f"/profiles/by-handle/{one}", **{"Muster-Min-Position": "0"})

    assert not_yet.json()["account_id"] == first
    assert (await muster.record(f"/profiles/by-handle/{other}"))["account_id"] == first
    assert (await muster.record(f"/profiles/by-handle/{one}"))["account_id"] == second
    assert (await muster.get(f"/profiles/by-handle/{third}")).status_code == 404


async def test_one_key_from_twenty_clients_is_one_account(muster, stack, name):
    """All get the same answer, 19 of them as a replay."""
    answers = await asyncio.gather(
        *(muster.post("register-account", key=name, **registration(name)) for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 19
    with stack.database() as database:
        [(events,)] = database.execute(
            "select count(*) from event_log where aggregate_id = %s", (answers[0].json()["id"],)
        ).fetchall()
    assert events == 2


async def test_of_two_who_race_for_an_address_one_gets_it(muster, name):
    """The other is told so, and is nowhere to be found."""
    for nth in range(10):
        email = f"{name}.{nth}@example.org"
        names = [f"{name}.{nth}.{side}" for side in "ab"]
        answers = await asyncio.gather(
            *(muster.post("register-account", **registration(each) | {"email": email}) for each in names)
        )

        by_status = {answer.status_code: answer for answer in answers}
        assert set(by_status) == {200, 409}
        assert by_status[409].json()["type"] == "/problems/email-taken"
        winner = await muster.record(f"/profiles/by-email/{email}")
        assert winner["account_id"] == by_status[200].json()["id"]
        found = [await muster.get(f"/profiles/by-handle/{each}") for each in names]
        assert sorted(answer.status_code for answer in found) == [200, 404]
