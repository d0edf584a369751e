"""Check a Redis or Valkey for `muster doctor`."""

from collections.abc import Iterator
from typing import Any

import redis

from shared.dev_stack.checks import CONNECT_SECONDS, FAILED, OK, WARNING, Check, check
from shared.redis.client import RedisTimeouts, connect_blocking
from shared.settings import masked

OLDEST_REDIS = (7, 0)


def examine_redis(url: str, *, setting: str) -> Iterator[Check]:
    """:param setting: that names the server."""
    try:
        with connect_blocking(url, timeouts=RedisTimeouts(connect=CONNECT_SECONDS)) as client:
            information: Any = client.info()
            yield Check(OK, f"Redis answers at {masked(url)}")
            yield from _redis_information(information)
            yield from _redis_settings(client)
    except redis.RedisError as error:
        yield Check(FAILED, f"Redis at {masked(url)}", f"{error}; start it, or mend {setting}")


def _redis_information(information: dict[str, Any]) -> Iterator[Check]:
    version = str(information["redis_version"])
    recent = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS
    yield check(recent, f"Redis speaks {version}", "7.0 or newer is needed")
    single = not information.get("cluster_enabled")
    yield check(single, "Redis is no cluster", "this release works with one Redis: name a single server")


def _redis_settings(client: "redis.Redis") -> Iterator[Check]:
    try:
        settings: Any = client.config_get("maxmemory-policy", "appendonly")
    except redis.ResponseError as error:
        yield Check(WARNING, "Redis's settings", f"they cannot be read ({error}): make sure it never evicts")
        return
    policy = settings["maxmemory-policy"]
    hint = "records would vanish one by one: config set maxmemory-policy noeviction"
    yield check(policy == "noeviction", f"maxmemory-policy is {policy}", hint)
    hint = "after a restart every record has to be projected anew: config set appendonly yes"
    yield check(settings["appendonly"] == "yes", f"appendonly is {settings['appendonly']}", hint, otherwise=WARNING)
