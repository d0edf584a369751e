"""PostgreSQL is stopped, and stays away: writing says so at once, reading goes on, and nothing needs a hand after."""

import time
from collections.abc import Iterator

import httpx
import pytest

from shared.dev_stack.embedded_postgres import EmbeddedPostgres
from tests.support.load import Load
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.people import registration, ways_to
from tests.support.stack import Child, Stack, answers, running_stack, until

ANSWER_SECONDS = 5.0
"""What a client may have to wait for a 503; all retries are included."""


@pytest.fixture
def own_postgres(server_home) -> Iterator[EmbeddedPostgres]:
    """A server that no supervisor brings back."""
    with EmbeddedPostgres(server_home / "stopped") as server:
        yield server


@pytest.fixture
def stack_on_it(own_postgres) -> Iterator[Stack]:
    with running_stack(MUSTER_DATABASE_URL=own_postgres.url) as stack:
        yield stack


async def test_without_postgres_writing_is_503_and_reading_goes_on(stack_on_it, own_postgres):
    """The read side even starts; once the server is back, the same request succeeds and all is as it was promised."""
    addresses = stack_on_it.addresses
    load = Load(addresses.write, seed=150, commands=40, pause=0)
    await load.run()
    await assert_people_are_found(addresses.read, load.accepted, position=load.position)

    own_postgres.stop()
    async with stack_on_it.client() as client:
        await assert_writing_is_refused(client, addresses.write)
        killed = stack_on_it.kill(Child.READ)
        await stack_on_it.replaced(Child.READ, instead_of=killed)
        await until(lambda: answers(client, f"{addresses.read}/readyz"))
        await assert_everybody_can_be_read(client, addresses.read, load)
        await assert_status_says_what_is_away(client, addresses.ops)

    own_postgres.start()
    await stack_on_it.ready()
    later = Load(addresses.write, seed=151, commands=40, pause=0)
    await later.run()

    assert later.troubles == {}
    await assert_all_is_right(stack_on_it, load)
    await assert_all_is_right(stack_on_it, later)


async def assert_writing_is_refused(client: httpx.AsyncClient, url: str) -> None:
    began = time.monotonic()
    answer = await client.post(f"{url}/commands/register-account", json=registration("nobody"))

    assert time.monotonic() - began < ANSWER_SECONDS
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await client.get(f"{url}/readyz")).status_code == 503
    assert (await client.get(f"{url}/livez")).status_code == 200


async def assert_everybody_can_be_read(client: httpx.AsyncClient, url: str, load: Load) -> None:
    for person in load.accepted:
        for path in ways_to(person):
            answer = await client.get(f"{url}{path}", headers={"Muster-Min-Position": str(person.position)})
            assert person.shows_in(answer.raise_for_status().json())


async def assert_status_says_what_is_away(client: httpx.AsyncClient, url: str) -> None:
    status = (await client.get(f"{url}/status")).raise_for_status().json()

    assert status["error"].startswith("PostgreSQL")
    assert status["head"] is None
    assert status["projections"][0]["checkpoint"] > 0
