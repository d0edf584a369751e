"""How much of what clients send is held at once."""

import asyncio

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, post

from shared.decoding.objects import part_decoder
from shared.http.limits import HttpLimits
from shared.http.parsing.bodies import MAX_BODY_BYTES, BodyReader, body_of
from shared.http.problems import EXCEPTION_HANDLERS
from shared.problems import Refusal

LIMITS = HttpLimits(large_bodies=1)
LARGE = b"x" * (LIMITS.large_body + 1)


@post("/", status_code=200)
async def measure(request: Request) -> str:
    return str(len(await body_of(request)))


@pytest.fixture
def app():
    """A service with a permit for one large body."""
    app = Litestar([measure], exception_handlers=EXCEPTION_HANDLERS)
    app.state.bodies = BodyReader(LIMITS)
    return app


@pytest.fixture
async def client(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


@pytest.fixture
async def large_one(client):
    """A large body, most of which has come; it comes to its end once its answer is awaited."""
    has_come, may_end = asyncio.Event(), asyncio.Event()

    async def body():
        yield LARGE
        has_come.set()
        await may_end.wait()
        yield b"end"

    async def ended():
        may_end.set()
        return await answer

    answer = asyncio.create_task(client.post("/", content=body()))
    await has_come.wait()
    yield ended
    await ended()


@pytest.mark.usefixtures("large_one")
async def test_one_large_body_too_many_is_503(client):
    """With the time after which to come again."""
    answer = await client.post("/", content=LARGE)

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/overloaded")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.usefixtures("large_one")
async def test_a_small_body_needs_no_permit(client):
    answers = [await client.post("/", content=b"x" * size) for size in (0, 1, LIMITS.large_body)]

    assert [each.text for each in answers] == ["0", "1", str(LIMITS.large_body)]


async def test_a_permit_is_free_again_once_the_body_has_come(client, large_one):
    assert (await large_one()).text == str(len(LARGE) + 3)
    assert (await client.post("/", content=LARGE)).text == str(len(LARGE))


async def test_a_permit_is_free_again_if_the_body_does_not_come_to_its_end(app, client):
    app.state.bodies = BodyReader(HttpLimits(large_bodies=1, body=0.01))

    async def body():
        yield LARGE
        await asyncio.Event().wait()

    assert (await client.post("/", content=body())).status_code == 408
    assert (await client.post("/", content=LARGE)).text == str(len(LARGE))


async def test_a_body_that_is_too_large_is_413_whether_it_says_so_or_not(client):
    """One that comes in parts announces no length."""

    async def body():
        yield LARGE
        yield b"x" * MAX_BODY_BYTES

    answers = [await client.post("/", content=content) for content in (body(), b"x" * (MAX_BODY_BYTES + 1))]

    assert [each.json()["type"] for each in answers] == ["/problems/too-large"] * 2
    assert (await client.post("/", content=b"x" * MAX_BODY_BYTES)).text == str(MAX_BODY_BYTES)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"name":"Müller"}'.encode("latin-1"), "it is not in UTF-8"),
        (b'{"name":"\xed\xa0\x80"}', "it is not in UTF-8"),
        (b"\xff\xfe{\0}\0", "JSON is malformed"),
        (b"{", "Input data was truncated"),
    ],
)
def test_a_body_that_is_no_json_is_refused_in_words(body, said):
    """Not in those of Python's codecs."""
    with pytest.raises(Refusal) as refused:
        part_decoder(msgspec.defstruct("Named", ["name"]))(body)

    assert refused.value.problem.name == "not-json"
    assert said in str(refused.value.detail)
