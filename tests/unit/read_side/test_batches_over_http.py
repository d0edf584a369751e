"""`POST /profiles/batch-get` as a client sees it."""

import asyncio
import json
from uuid import UUID

import pytest

from tests.support.read_side import ADA, BOB, until_a_read_waits
from tests.unit.read_side.test_look_ups_over_http import problem

PATH = "/profiles/batch-get"
JSON = {"Content-Type": "application/json"}
NOBODY = {"ids": [], "handles": [], "emails": [], "external_ids": []}


async def test_found_and_missing_are_told_apart(client, views):
    """Everybody found is there once, in the order asked for; missing keys are repeated as they were sent."""
    asked = {
        "ids": [str(BOB.account_id), "00000000-0000-0000-0000-000000000000"],
        "handles": ["ADA", "ada", "Nobody", "Nobody"],
        "emails": ["BOB@example.org", "\u0000"],
        "external_ids": ["books/notes:G", "BOOKS/NOTES:G"],
    }

    response = await client.post(PATH, json=asked)

    assert response.status_code == 200
    assert [each["handle"] for each in response.json()["found"]] == ["bob", "Ada"]
    assert response.json()["missing"] == {
        "ids": ["00000000-0000-0000-0000-000000000000"],
        "handles": ["Nobody"],
        "emails": ["\u0000"],
        "external_ids": ["BOOKS/NOTES:G"],
    }
    assert response.headers["muster-position"] == "7"
    assert response.headers["cache-control"] == "private, no-cache"


async def test_a_record_is_the_same_as_by_itself(client, views):
    """Byte for byte."""
    alone = await client.get(f"/profiles/{ADA.account_id}")

    response = await client.post(PATH, json={"ids": [str(ADA.account_id)]})

    assert response.content == b'{"found":[%b],"missing":%b}' % (
        alone.content,
        json.dumps(NOBODY, separators=(",", ":")).encode(),
    )


@pytest.mark.parametrize("body", ["{}", '{"ids": []}', '{"handles": [], "emails": []}'])
async def test_who_asks_for_nobody_is_told_the_position(client, views, body):
    """An empty question has an empty answer."""
    response = await client.post(PATH, content=body, headers=JSON)

    assert response.json() == {"found": [], "missing": NOBODY}
    assert response.headers["muster-position"] == "7"


async def test_who_has_the_answer_already_is_not_sent_it_again(client, views):
    """It reads like a GET, If-None-Match included."""
    got = await client.post(PATH, json={"handles": ["ada"]})

    response = await client.post(PATH, json={"handles": ["ada"]}, headers={"If-None-Match": got.headers["etag"]})

    assert response.status_code == 304
    assert response.content == b""
    assert got.headers["etag"] == response.headers["etag"]
    assert response.headers["muster-position"] == "7"


async def test_a_batch_waits_until_it_is_fresh_enough(client, views):
    """Like every other answer."""
    answer = asyncio.create_task(client.post(PATH, json={"handles": ["ada"]}, headers={"Muster-Min-Position": "8"}))
    await until_a_read_waits(views)

    views.commit(position=8)

    assert (await answer).headers["muster-position"] == "8"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"ids": ["ada"]}, ["/ids/0"]),
        ({"ids": [f"{ADA.account_id}\n"]}, ["/ids/0"]),
        ({"ids": [f"{ADA.account_id},{BOB.account_id}"]}, ["/ids/0"]),
        ({"ids": [str(ADA.account_id), 7], "handles": "ada"}, ["/ids/1", "/handles"]),
        ({"handles": ["ada", None]}, ["/handles/1"]),
        ({"emails": {"a": 1}, "external_ids": [[]]}, ["/emails", "/external_ids/0"]),
        ({"names": ["Ada"]}, ["/names"]),
        ({"a/b~c": 1}, ["/a~1b~0c"]),
        ({"handles": ["x"] * 501}, ["/handles"]),
        ({"handles": ["x"] * 300, "emails": ["x"] * 201}, [""]),
        ([], [""]),
        ("ada", [""]),
        (1, [""]),
    ],
)
async def test_every_wrong_field_is_named(client, views, body, pointers):
    """422 with JSON Pointers to all of them."""
    response = await client.post(PATH, json=body)

    assert response.status_code == 422
    assert problem(response) == ("invalid", pointers)


@pytest.mark.parametrize("write", [str, lambda id_: id_.hex, lambda id_: str(id_).upper()])
async def test_an_id_is_an_id_however_it_is_written(client, views, write):
    """In answers it stands as everywhere."""
    ids = [write(BOB.account_id), write(UUID(int=7))]

    response = await client.post(PATH, json={"ids": ids})

    assert [each["handle"] for each in response.json()["found"]] == ["bob"]
    assert response.json()["missing"]["ids"] == [str(UUID(int=7))]


async def test_a_name_does_not_stand_twice(client, views):
    """Neither of two lists of ids would be the one that counts."""
    ids = json.dumps([str(BOB.account_id)])

    response = await client.post(PATH, content=f'{{"ids": {ids}, "ids": {ids}}}', headers=JSON)

    assert response.status_code == 422
    assert problem(response) == ("invalid", ["/ids"])


async def test_what_is_not_json_is_said_not_to_be(client, views):
    """400; what is not JSON is tested with the commands, which are read by the same decoder."""
    response = await client.post(PATH, content=b"{", headers=JSON)

    assert response.status_code == 400
    assert problem(response) == ("not-json", [])


async def test_another_media_type_is_not_read(client, views):
    """415, before anybody looks into the body."""
    response = await client.post(PATH, content=b'{"handles": ["ada"]}', headers={"Content-Type": "text/plain"})

    assert response.status_code == 415
    assert problem(response) == ("unsupported-media-type", [])


async def test_a_charset_is_no_obstacle(client, views):
    """Parameters of the media type are passed over: JSON is in UTF-8 whatever they say."""
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    response = await client.post(PATH, content=b'{"handles": ["ada"]}', headers=headers)

    assert response.status_code == 200


async def test_a_body_may_have_a_mebibyte(client, views):
    """413 beyond that."""
    body = b'{"handles": ["%b"]}' % (b"x" * 2**20)

    response = await client.post(PATH, content=body, headers=JSON)

    assert response.status_code == 413
    assert problem(response) == ("too-large", [])


async def test_only_post_reads_a_batch(client, views):
    """Nobody can have the id `batch-get`."""
    response = await client.get(PATH)

    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


async def test_a_read_model_that_was_never_filled_misses_nobody(client, empty_views):
    """503, not everybody under `missing`."""
    response = await client.post(PATH, json={"handles": ["ada"]})

    assert response.status_code == 503
    assert problem(response) == ("read-model-not-filled", [])
