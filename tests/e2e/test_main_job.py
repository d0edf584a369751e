"""The main job on the real stack: a command is posted, and a moment later the record is read."""

import asyncio
from uuid import uuid4

import pytest

from tests.support.people import registration
from tests.support.sessions import log_held


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
