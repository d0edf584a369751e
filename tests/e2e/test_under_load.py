"""Many clients at once, with strangers in the database, and an appender that idles."""

from typing import Any

import httpx
import pytest

from tests.support.load import REGISTRATIONS, Load
from tests.support.oracle import assert_all_is_right, assert_people_are_found
from tests.support.patience import until
from tests.support.sessions import another_database, log_held, stranger
from tests.support.stack import Stack

CLIENTS = 50
OVERLOADED = "/problems/overloaded"
"""Told to some of so many where the disk takes its time; a command held up by a stranger never gets through."""


@pytest.mark.parametrize("commands", [300, pytest.param(5_000, marks=pytest.mark.soak)])
async def test_strangers_with_open_transactions_hold_nobody_up(stack, commands):
    """Neither one that wrote another table of the same database nor one in another: all is readable while they idle."""
    url = stack.addresses.database_url
    load = Load(
        stack.addresses.write, seed=200 + commands, clients=CLIENTS, commands=commands, kinds=REGISTRATIONS, pause=0
    )
    with another_database(url) as elsewhere, stranger(url), stranger(elsewhere):
        await load.run()

        await assert_people_are_found(stack.addresses.read, load.accepted, position=load.position)
        await until(lambda: nothing_is_left(stack))
        assert (await stack.status())["held_by"] is None

    assert set(load.troubles) <= {OVERLOADED}
    await assert_all_is_right(stack, load)


async def test_an_appender_that_idles_is_named_and_everything_flows_when_it_ends(stack):
    """Who holds the log up stands in status and readyz; a reader who needs what comes after is told to come again."""
    load = Load(stack.addresses.write, seed=210, commands=30, pause=0)
    async with httpx.AsyncClient(headers=stack.headers, timeout=10, trust_env=False) as client:
        with log_held(stack.addresses.database_url) as pid:
            await load.run()
            told = await until(lambda: is_held(stack))
            ready = await until(lambda: is_noted(client, f"{stack.addresses.ops}/readyz"))
            read = await client.get(
                f"{stack.addresses.read}/profiles/{load.accepted[0].id}",
                headers={"Muster-Min-Position": str(load.position)},
            )

        assert told["held_by"]["pid"] == pid
        assert told["held_by"]["text"].startswith(f"held at {told['held_by']['position']} by pid {pid} since ")
        assert told["projections"][0]["lag_events"] > 0
        assert (ready.status_code, ready.json()["details"]["event log"]) == (200, told["held_by"]["text"])
        assert (read.status_code, read.json()["type"]) == (503, "/problems/projection-behind")
        assert int(read.headers["Retry-After"]) > 0

    await assert_all_is_right(stack, load)
    assert (await stack.status())["held_by"] is None


async def is_noted(client: httpx.AsyncClient, url: str) -> httpx.Response | None:
    """The answer once it names who holds the log up, as it was seen last."""
    answer = await client.get(url)
    return answer if "event log" in answer.json()["details"] else None


async def nothing_is_left(stack: Stack) -> bool:
    return (await stack.status())["projections"][0]["lag_events"] == 0


async def is_held(stack: Stack) -> dict[str, Any] | None:
    told = await stack.status()
    return told if told["held_by"] else None
