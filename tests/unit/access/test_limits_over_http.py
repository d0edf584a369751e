"""The headers of rate limits (draft-ietf-httpapi-ratelimit-headers-10)."""

import json
import time

import pytest

from shared.auth.adapters.memory.buckets import MemoryBuckets
from shared.auth.principal import COMMANDS, OPS, READ
from shared.auth.rate_limits import RateLimiter
from shared.settings import Rate
from tests.support.access import bearing
from tests.unit.authenticated_apps import AuthenticatedApps

RATE = Rate(3, 3_600)


@pytest.fixture
def apps(authentication):
    return AuthenticatedApps(authentication, limiter=RateLimiter(RATE, MemoryBuckets(RATE)))


async def test_every_answer_says_how_many_are_left_and_then_there_are_none(apps, keys):
    """The limit is the subject's, whichever of its tokens is shown."""
    async with apps.client("read") as client:
        answers = [await client.get("/stats", headers=bearing(keys.token(READ))) for _ in range(5)]
        other = await client.get("/stats", headers=bearing(keys.token(READ, subject="another")))

    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert {each.headers["RateLimit-Policy"] for each in answers} == {'"subject";q=3;w=3600'}
    assert [each.headers["RateLimit"].partition(";t")[0] for each in answers] == [
        f'"subject";r={left}' for left in (2, 1, 0, 0, 0)
    ]
    assert other.status_code == 200
    refused = answers[-1]
    assert 1_100 < int(refused.headers["Retry-After"]) <= 1_200
    assert refused.json()["type"] == "/problems/too-many-requests"


async def test_what_is_not_allowed_counts_too(apps, keys):
    """A client that tries doors is limited as well."""
    async with apps.client("ops") as client:
        answers = [await client.get("/status", headers=bearing(keys.token(READ))) for _ in range(4)]

    assert [each.status_code for each in answers] == [403, 403, 403, 429]


async def test_what_is_open_to_all_is_not_limited(apps, keys):
    async with apps.client("ops") as client:
        answers = [await client.get("/livez", headers=bearing(keys.token(OPS))) for _ in range(10)]

    assert {each.status_code for each in answers} == {200}
    assert "RateLimit" not in answers[0].headers


async def test_a_stream_of_commands_is_slowed_down_rather_than_refused(authentication, keys):
    """Each line counts like a request: six take a second at least, after the three that may be made at once."""
    rate = Rate(3, 1)
    apps = AuthenticatedApps(authentication, limiter=RateLimiter(rate, MemoryBuckets(rate)))
    lines = b"".join(
        json.dumps({"command": "suspend-account", "account": "@nobody"}).encode() + b"\n" for _ in range(6)
    )
    headers = {**bearing(keys.token(COMMANDS)), "Content-Type": "application/x-ndjson"}

    async with apps.client("write") as client:
        began = time.monotonic()
        answer = await client.post("/commands", content=lines, headers=headers)

    assert [json.loads(each)["status"] for each in answer.text.splitlines()] == [404] * 6
    assert time.monotonic() - began >= 1.0
