"""How often a subject may ask, on real processes."""

from uuid import uuid4

import httpx

from shared.auth.principal import READ
from tests.support.access import Keys, bearing
from tests.support.patience import SECONDS, until
from tests.support.stack import service

QUOTA, LEASE = 40, 2
AWAY = "no caller is limited"
"""What a process writes down when Redis did not tell it at once."""


async def test_two_processes_let_through_together_what_one_may(stack, tmp_path):
    """
    They and their workers know nothing of one another but what Redis tells; what one may hold back is a twentieth.

    On a busy machine Redis may answer too late for a subject to be limited: then it is tried with another.
    """
    keys = Keys(tmp_path / "keys")
    settings = {
        "MUSTER_REDIS_URL": stack.addresses.redis_url,
        "MUSTER_HOME": str(tmp_path),
        "MUSTER_RATE_LIMIT": f"{QUOTA}/3600",
        **keys.settings,
    }
    async with (
        service("read", tmp_path / "first.log", MUSTER_WORKERS="2", **settings) as (first, _),
        service("read", tmp_path / "second.log", **settings) as (second, _),
    ):
        told = await until(lambda: told_in_turn(keys, first, second, logs=tmp_path))

    assert set(told) == {200, 429}
    assert QUOTA - LEASE <= told.count(200) <= QUOTA


async def told_in_turn(keys, *urls, logs):
    """The statuses of more requests than one subject may make; None if Redis was away meanwhile."""
    before = times_away(logs)
    headers = bearing(keys.token(READ, subject=f"limited-{uuid4().hex}"))
    limits = httpx.Limits(max_keepalive_connections=0)  # so that each worker is asked
    async with httpx.AsyncClient(headers=headers, limits=limits, trust_env=False, timeout=SECONDS) as client:
        told = [(await client.get(f"{url}/stats")).status_code for _ in range(QUOTA) for url in urls]
    return told if times_away(logs) == before else None


def times_away(logs):
    return sum(log.read_text().count(AWAY) for log in logs.glob("*.log"))
