"""
What it costs a look-up by id that a token is asked for.

    .venv/bin/python -m tests.benchmarks.authentication [--rounds 7] [--seconds 3] [--connections 64]

Starts a Valkey with some people and two read processes on it, one that asks for tokens and one that does not, and has
`wrk` (which must be on PATH) ask each of them in turn, in every round once. Prints answers a second and the ratio, by
the medians.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from shared.auth.principal import PRIVATE, READ
from shared.dev_stack.embedded_redis import EmbeddedRedis
from tests.benchmarks.reads import Asked, taken
from tests.support.access import Keys, register_headers
from tests.support.read_side import RedisActivity, RedisGroups, RedisProjection, RedisStats, person
from tests.support.stack import service

PEOPLE = 500


@contextmanager
def directory() -> Iterator[Path]:
    """That the account of an embedded server can reach."""
    home = Path(tempfile.mkdtemp(prefix="muster-benchmark-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


async def measure(home: Path, redis_url: str, asked: Asked, arguments: argparse.Namespace) -> dict[str, list[float]]:
    keys, rates = Keys(home / "keys"), {"off": [], "on": []}
    async with (
        service("read", home / "off.log", MUSTER_REDIS_URL=redis_url) as (off, _),
        service("read", home / "on.log", MUSTER_REDIS_URL=redis_url, **keys.settings) as (on, _),
    ):
        register_headers(on, keys.headers(READ, PRIVATE))
        for _ in range(arguments.rounds):
            for name, url in (("off", off), ("on", on)):
                answered = taken(asked, url=url, clients=arguments.connections, seconds=arguments.seconds)
                assert not answered.errors, answered
                rates[name].append(answered.rate)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    arguments = parser.parse_args()
    people = [person(number) for number in range(1, PEOPLE + 1)]
    asked = Asked("look-up by id", [f"/profiles/{each.account_id}" for each in people])
    with directory() as home, EmbeddedRedis(home / "redis") as server, Redis.from_url(server.url) as client:
        RedisProjection(client).commit(*people, position=1)
        for projection in (RedisGroups, RedisActivity, RedisStats):
            projection(client).commit(position=1)  # or the process would not be ready
        rates = asyncio.run(measure(home, server.url, asked, arguments))
    for name, each in rates.items():
        _print(f"{name:>4}  {statistics.median(each):>8,.0f} a second  {', '.join(f'{rate:,.0f}' for rate in each)}")
    _print(f"ratio {statistics.median(rates['on']) / statistics.median(rates['off']):.3f}")


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
