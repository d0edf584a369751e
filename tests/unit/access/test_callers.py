"""What a caller is shown, and what is remembered of them."""

import json

import pytest

from shared.auth.principal import COMMANDS, PRIVATE, READ
from shared.auth.tokens import unverified
from tests.support.access import bearing
from tests.support.clock import SettableClock
from tests.support.patience import until_here
from tests.support.read_side import ADA
from tests.unit.authenticated_apps import AuthenticatedApps
from write_side.adapters.memory import MemoryDatabase


@pytest.fixture
def apps(authentication):
    return AuthenticatedApps(authentication)


class TestWhoMaySeeOnlyWhatEverybodyMay:
    """Public documents, wherever people are shown."""

    @pytest.fixture
    async def clients(self, apps, keys):
        async with apps.client("read") as client:
            yield client, bearing(keys.token(READ)), bearing(keys.token(READ, PRIVATE))

    @pytest.mark.parametrize(
        "path",
        [
            f"/profiles/{ADA.account_id}",
            "/profiles/by-handle/ada",
            "/profiles",
            "/profiles?q=ada&status=any&tag=mathematics",
        ],
    )
    async def test_sees_nothing_private_and_has_another_entity_tag(self, clients, path):
        client, public, private = clients

        less, more = [await client.get(path, headers=headers) for headers in (public, private)]
        again = await client.get(path, headers={**private, "If-None-Match": less.headers["ETag"]})

        assert (less.status_code, more.status_code) == (200, 200)
        assert not names(less.json()) & {"email", "external_id", "attributes"}
        assert names(more.json()) & {"email", "external_id", "attributes"}
        assert "ada@example.org" not in less.text.lower()
        assert less.headers["ETag"] != more.headers["ETag"]
        assert again.status_code == 200

    async def test_sees_members_as_everybody_does(self, clients):
        client, public, private = clients
        for path in ("/groups/ssju/members", f"/groups/ssju/members/{ADA.account_id}", "/stats"):
            less, more = [await client.get(path, headers=headers) for headers in (public, private)]

            assert less.content == more.content
            assert not names(less.json()) & {"email", "external_id", "attributes"}

    async def test_sees_which_fields_were_changed_and_not_their_values(self, clients):
        """In the change feed, in which there are no values: they are looked up for those who may see them."""
        client, public, private = clients

        less, more = [await client.get("/changes", headers=headers) for headers in (public, private)]

        assert not any("values" in each["data"] for each in less.json()["items"])
        assert all("values" in each["data"] for each in more.json()["items"])
        fields = [[each["data"]["fields"] for each in answer.json()["items"]] for answer in (less, more)]
        assert fields[0] == fields[1]

    async def test_is_sent_no_values_as_they_change(self, clients, authentication, monkeypatch):
        client, public, private = clients
        monkeypatch.setattr(authentication, "stands", lambda _: False)  # the stream ends behind what there is

        less, more = [await client.get("/changes/stream", headers=headers) for headers in (public, private)]

        less, more = [
            [json.loads(line.removeprefix("data:")) for line in answer.text.splitlines() if line.startswith("data:")]
            for answer in (less, more)
        ]
        assert not any("values" in each["data"] for each in less)
        assert all("values" in each["data"] for each in more)
        assert [each["data"]["fields"] for each in less] == [each["data"]["fields"] for each in more] != []

    @pytest.mark.parametrize("by", [{"emails": ["ada@example.org"]}, {"external_ids": ["books/notes:G"]}])
    async def test_looks_nobody_up_by_what_is_private(self, clients, by):
        """Nor does the answer show whether there is such a person."""
        client, public, private = clients

        refused, nobody = [
            await client.post("/profiles/batch-get", json=keys, headers=public)
            for keys in (by, {name: ["nobody"] for name in by})
        ]
        allowed = await client.post("/profiles/batch-get", json=by, headers=private)

        assert (refused.status_code, nobody.status_code, allowed.status_code) == (403, 403, 200)
        assert {**refused.json(), "request_id": ""} == {**nobody.json(), "request_id": ""}
        assert len(allowed.json()["found"]) == 1

    async def test_gets_public_documents_of_many(self, clients):
        client, public, private = clients
        body = {"ids": [str(ADA.account_id)], "handles": ["bob"]}

        less, more = [
            await client.post("/profiles/batch-get", json=body, headers=headers) for headers in (public, private)
        ]

        assert len(less.json()["found"]) == 2
        assert not names(less.json()["found"]) & {"email", "external_id", "attributes"}
        assert less.headers["ETag"] != more.headers["ETag"]


def names(content):
    """Of every field, however deep."""
    if isinstance(content, list):
        return set().union(*map(names, content))
    if isinstance(content, dict):
        return set(content).union(*map(names, content.values()))
    return set()


async def test_events_name_the_caller_and_the_token(keys, authentication):
    """And their idempotency keys are their own."""
    store = MemoryDatabase(clock=SettableClock())

    async with AuthenticatedApps(authentication, store=store).client("write") as client:
        for subject in ("ada", "bob"):
            token = keys.token(COMMANDS, subject=subject)
            body = {"handle": subject, "email": f"{subject}@example.org", "display_name": subject}
            headers = {**bearing(token), "Idempotency-Key": "k"}
            answer = await client.post("/commands/register-account", json=body, headers=headers)
            assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (200, None)

    metadata = [each.metadata for each in store.log._events]
    assert [each.actor for each in metadata] == ["ada", "ada", "bob", "bob"]
    assert len({each.token for each in metadata} - {None}) == 2


async def test_a_stream_of_commands_ends_with_its_token(keys, authentication):
    """A request may last for long; what comes after the token was revoked is refused line by line."""
    token = keys.token(COMMANDS)
    store = MemoryDatabase(clock=SettableClock())

    async def lines():
        yield line("ada")
        await until_here(lambda: store.accounts)
        keys.directory.revoke(unverified(token).token_id)
        authentication.refresh()
        yield line("bob")

    async with AuthenticatedApps(authentication, store=store).client("write") as client:
        headers = {**bearing(token), "Content-Type": "application/x-ndjson"}
        answer = await client.post("/commands", content=lines(), headers=headers)

    assert [json.loads(each)["status"] for each in answer.text.splitlines()] == [200, 401]


def line(handle):
    command = {
        "command": "register-account",
        "handle": handle,
        "email": f"{handle}@example.org",
        "display_name": handle,
    }
    return json.dumps(command).encode() + b"\n"
