"""Whether the Redis of all projections keeps what it is given."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.redis.client import leave_replaced_master

log = structlog.get_logger()

_UNDER_WAY = "already in progress"
"""What a server answers that another was faster with: many partitions of a node may find out that it was restarted."""


class ServerCheck:
    """Ask the server for its settings, and mend what a restart of it may have left behind."""

    def __init__(self, client: Redis, *, valid: float = 0.0) -> None:
        """:param valid: seconds for which an answer serves all who ask."""
        self._client = client
        self._valid = valid
        self._asked = float("-inf")
        self._policy: str | None = None
        self._asking: asyncio.Task[None] | None = None
        self._tended: str | None = None
        self._may_have_zeros = False

    def suspect_zeros(self) -> None:
        """Have the append-only file rewritten once it can be written again."""
        self._may_have_zeros = True

    async def eviction_policy(self) -> str | None:
        """Return the policy; projections ask at the same times, and share an answer that is under way."""
        if monotonic() - self._asked >= self._valid:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(), name="server check")
                self._asking.add_done_callback(_retrieved)
            await asyncio.shield(self._asking)
        return self._policy

    async def _ask(self) -> None:
        try:
            await leave_replaced_master(self._client)
            server = await self._client.info("server", "memory", "persistence")
            await self._tend(server)
            # INFO tells the policy even where CONFIG is forbidden.
            self._policy, self._asked = server.get("maxmemory_policy"), monotonic()
        finally:
            self._asking = None

    async def _tend(self, server: Mapping[str, Any]) -> None:
        """
        Have the append-only file rewritten once after each start of the server, and when it can be written again.

        A crash can leave the head of a transaction in it, which Redis 7.0 and 8.2 drop at the first restart and execute
        at the second. The order of writes makes that harmless; the rewrite washes it away. A full disk can leave zeros
        in a file that was rewritten before, with which neither Redis 8.2 nor Valkey 9.1 starts again.
        """
        if server.get("aof_last_write_status") == "err":
            self.suspect_zeros()
            return
        if server["run_id"] == self._tended and not self._may_have_zeros:
            return
        if server["aof_enabled"] and (self._may_have_zeros or not server.get("aof_rewrites")):
            try:
                await self._client.bgrewriteaof()
            except ResponseError as error:
                if _UNDER_WAY not in str(error):
                    log.warning("Redis does not rewrite its append-only file", error=str(error))
        self._tended, self._may_have_zeros = server["run_id"], False


class OwnerCheck:
    """The check of whichever node has a partition, which all partitions there share."""

    def __init__(self, find: Callable[[], Awaitable[ServerCheck]]) -> None:
        self._find = find
        self._last: ServerCheck | None = None

    def suspect_zeros(self) -> None:
        """See `ServerCheck`."""
        if self._last:
            self._last.suspect_zeros()

    async def eviction_policy(self) -> str | None:
        """See `ServerCheck`."""
        self._last = await self._find()
        return await self._last.eviction_policy()


def _retrieved(asking: asyncio.Task[None]) -> None:
    """Take note of an error, as all that asked may have been cancelled."""
    if not asking.cancelled():
        asking.exception()
