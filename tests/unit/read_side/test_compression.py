"""Large answers are compressed as the client likes it best, and have a tag of their own then."""

import gzip
import json

import pytest
import zstandard

from shared.http.middleware.compression import _chosen
from tests.support.read_side import ADA, changed

DECODE = {"gzip": gzip.decompress, "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body)}


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("GZip ; Q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("*;q=0", None),
        ("*", "zstd"),
        ("br, deflate", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=much", None),
        (",;,", None),
    ],
)
def test_the_client_chooses(accept, coding):
    """By quality; of what is liked as much, zstd takes the least time."""
    assert _chosen(accept) == coding


@pytest.fixture
def large(views):
    """A person with much to say; Ada's record is small."""
    views.commit(changed(ADA, bio="engine " * 200), position=8)
    return f"/profiles/{ADA.account_id}"


def raw(*accept):
    return {"Accept-Encoding": ", ".join(accept) or "identity"}


async def body_of(client, path, **headers):
    """As it was sent."""
    async with client.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize("coding", DECODE)
@pytest.mark.parametrize("path", ["/profiles", "/openapi.json", "/docs", "/problems"])
async def test_a_large_answer_is_compressed(client, large, path, coding):
    """And no other: one answer says that it depends on what the client accepts, either way."""
    plain, text = await body_of(client, path, **raw())
    answer, body = await body_of(client, path, **raw(coding))

    assert DECODE[coding](body) == text
    assert answer.headers["content-encoding"] == coding
    assert int(answer.headers["content-length"]) == len(body) < len(text)
    assert "content-encoding" not in plain.headers
    for each in (plain, answer):
        assert "accept-encoding" in each.headers["vary"]


@pytest.mark.parametrize("path", ["/stats", "/livez"])
async def test_a_small_answer_is_sent_as_it_is(client, stats, path):
    answer = await client.get(path, headers=raw("gzip", "zstd"))

    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("coding", DECODE)
async def test_an_answer_is_known_by_either_tag(client, large, coding):
    """Those of one record differ by its form; whichever is sent back, it is 304, and so named again."""
    plain = (await client.get(large, headers=raw())).headers["etag"]
    tag = (await client.get(large, headers=raw(coding))).headers["etag"]
    assert tag == f'{plain[:-1]}-{coding}"'

    for known in (plain, tag):
        for sent in (known, f"W/{known}", f'"other", {known}'):
            for accepted in (coding, "identity"):
                answer = await client.get(large, headers={"If-None-Match": sent, **raw(accepted)})

                assert (answer.status_code, answer.headers["etag"], answer.content) == (304, known, b"")


async def test_a_changed_record_is_not_known_by_a_former_tag(client, views, large):
    """Whatever its form."""
    tag = (await client.get(large, headers=raw("gzip"))).headers["etag"]
    views.commit(changed(ADA, bio="analyst " * 200), position=9)

    answer = await client.get(large, headers={"If-None-Match": tag, **raw("gzip")})

    assert answer.status_code == 200


async def test_head_tells_what_get_would(client, large):
    """The length of what would be sent."""
    got, head = await client.get(large, headers=raw("gzip")), await client.head(large, headers=raw("gzip"))

    assert head.content == b""
    for name in ("content-length", "content-encoding", "etag", "vary"):
        assert head.headers[name] == got.headers[name]


async def test_a_very_large_answer_is_the_same(client, views):
    """It is compressed in a thread, beside what else is answered."""
    views.commit(changed(ADA, attributes={f"{nth:04}": f"{nth:0500}" for nth in range(200)}), position=8)

    answer = await client.get(f"/profiles/{ADA.account_id}", headers=raw("gzip"))

    assert len(json.loads(answer.content)["attributes"]) == 200
    assert answer.headers["content-encoding"] == "gzip"
