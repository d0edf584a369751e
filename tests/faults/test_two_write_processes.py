"""Two write processes are sent the same keys, and one is killed with -9: nothing is lost, and nothing is done twice."""

import asyncio
from functools import partial
from typing import Any

import httpx
import psycopg

from tests.support.patience import until
from tests.support.served import WRITE, served
from tests.support.write_side import postgres_write_side

BEFORE, COMMANDS = 30, 90


async def test_what_two_processes_are_sent_is_carried_out_once_though_one_is_killed(database_url):
    """It dies in the middle of transactions, while the other one waits for keys that it has claimed."""

    async def send(nth: int, url: str) -> Any:
        body = {"email": f"{nth}@example.org", "handle": f"h{nth}", "display_name": "P"}
        key = {"Idempotency-Key": f"k{nth}"}
        try:
            answer = await client.post(f"{url}/commands/register-account", json=body, headers=key)
        except httpx.TransportError:
            return None
        assert answer.status_code == 200, answer.text
        return nth, *answer.json().values()

    with (
        served(WRITE, MUSTER_DATABASE_URL=database_url) as killed,
        served(WRITE, MUSTER_DATABASE_URL=database_url) as other,
    ):
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60) as client,
            await psycopg.AsyncConnection.connect(database_url) as holder,
            await psycopg.AsyncConnection.connect(database_url, autocommit=True) as look,
        ):
            answers = await asyncio.gather(
                *(send(nth, url) for nth in range(BEFORE) for url in (killed.url, other.url))
            )
            await holder.execute("lock table event_log in share mode")
            dying = [asyncio.create_task(send(nth, killed.url)) for nth in range(BEFORE, COMMANDS)]
            await until(partial(waiting, look, "relation"))
            living = [asyncio.create_task(send(nth, other.url)) for nth in range(BEFORE, COMMANDS)]
            await until(partial(waiting, look, "advisory"))
            killed.kill()
            await holder.rollback()

            assert set(await asyncio.gather(*dying)) == {None}
            outcomes = {*answers, *await asyncio.gather(*living)}

    assert {nth for nth, *_ in outcomes} == set(range(COMMANDS))
    assert len(outcomes) == COMMANDS
    async with postgres_write_side(database_url) as write_side:
        assert len(await write_side.events()) == 2 * COMMANDS


async def waiting(look: psycopg.AsyncConnection[Any], lock: str) -> bool:
    """Whether a session waits for such a lock."""
    found = await look.execute("select from pg_stat_activity where wait_event = %s", (lock,))
    return found.rowcount > 0
