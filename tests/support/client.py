"""The two APIs as a client uses them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from tests.support.patience import not_behind
from tests.support.stack import Stack


class Muster:
    """A client that remembers the position of its last command."""

    def __init__(self, write: httpx.AsyncClient, read: httpx.AsyncClient) -> None:
        self.write = write
        self._read = read
        self.position = 0

    async def post(self, command: str, **fields: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if (key := fields.pop("key", None)) else {}
        answer = await self.write.post(f"/commands/{command}", json=fields, headers=headers)
        self.position = max(self.position, int(answer.headers.get("Muster-Position", 0)))
        return answer

    async def done(self, command: str, **fields: Any) -> dict[str, Any]:
        """The outcome of a command that must succeed."""
        return (await self.post(command, **fields)).raise_for_status().json()

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Read what reflects all that was posted; who is told to come again does so."""
        return await self._asked("GET", path, headers=headers)

    async def found(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The records of people, likewise."""
        answer = await self._asked("POST", "/profiles/batch-get", json={"ids": ids}, headers={})
        return answer.raise_for_status().json()["found"]

    async def record(self, path: str) -> dict[str, Any]:
        return (await self.get(path)).raise_for_status().json()

    async def _asked(self, method: str, path: str, *, headers: dict[str, str], **more: Any) -> httpx.Response:
        fresh = {"Muster-Min-Position": str(self.position)} | headers
        return await not_behind(lambda: self._read.request(method, path, headers=fresh, **more))


@pytest.fixture
async def muster(stack: Stack) -> AsyncIterator[Muster]:
    async with (
        stack.client(stack.addresses.write) as write,
        stack.client(stack.addresses.read) as read,
    ):
        yield Muster(write, read)
