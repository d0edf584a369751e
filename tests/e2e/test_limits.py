"""How often a subject may ask, on real processes."""

import httpx

from shared.access.principal import READ
from tests.support.access import Keys, bearing
from tests.support.stack import service

QUOTA, LEASE = 40, 2


async def test_two_processes_let_through_together_what_one_may(stack, tmp_path):
    """They know nothing of one another but what Redis tells; what one may hold back is a twentieth."""
    keys = Keys(tmp_path / "keys")
    settings = {
        "MUSTER_REDIS_URL": stack.addresses.redis_url,
        "MUSTER_HOME": str(tmp_path),
        "MUSTER_RATE_LIMIT": f"{QUOTA}/3600",
        **keys.settings,
    }
    async with (
        service("read", tmp_path / "first.log", **settings) as (first, _),
        service("read", tmp_path / "second.log", **settings) as (second, _),
        httpx.AsyncClient(headers=bearing(keys.token(READ, subject="limited-1710")), trust_env=False) as client,
    ):
        answers = [await client.get(f"{url}/stats") for _ in range(QUOTA) for url in (first, second)]

    told = [each.status_code for each in answers]
    assert set(told) == {200, 429}
    assert QUOTA - LEASE <= told.count(200) <= QUOTA
