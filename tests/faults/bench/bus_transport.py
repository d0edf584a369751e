"""The bus as a way on which HTTP clients send commands: each request is a message, and its answer the response."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from zlib import crc32

import httpx
import msgspec
from redis import exceptions

from shared.redis.client import connect
from tests.support.patience import PATIENT, until
from write_side.bus.entries import ANSWERS, DEAD_LETTERS, commands

AGAIN_SECONDS = 0.05
POISON = b'{"command": "fly"}'
_GONE = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError)


class BusTransport(httpx.AsyncBaseTransport):
    """
    Sends a command to the shard that its key chooses, and waits for the answer.

    A message of which the server did not say that it took it is a lost request: it may have been taken.
    """

    def __init__(self, url: str, *, shards: int) -> None:
        self._connected = partial(connect, url, timeouts=PATIENT)
        self._shards = shards
        self._answers: defaultdict[str, asyncio.Future[Any]] = defaultdict(asyncio.Future)
        self._sent: set[str] = set()
        self._poison: set[str] = set()
        self._unsure = 0
        """How many messages may have been taken, or not."""
        self._names = itertools.count()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read answers meanwhile."""
        async with self._connected() as self._redis:
            follower = asyncio.create_task(self._follow())
            try:
                yield
            finally:
                follower.cancel()
                await asyncio.wait([follower])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """:raises httpx.ConnectError: the server did not say that it took the message."""
        message = await self._send(_body_of(request), key=request.headers["Idempotency-Key"])
        answer = dict(await self._answers[message])
        headers = {"Idempotency-Replayed": "true"} if answer.pop("replayed", False) else {}
        return httpx.Response(answer["status"], json=answer, headers=headers, request=request)

    async def send_poison(self) -> None:
        """Send what is no command, and return as it is answered."""
        while True:
            try:
                message = await self._send(POISON, key=f"poison {next(self._names)}")
            except httpx.ConnectError:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._poison.add(message)
                assert (await self._answers[message])["status"] == httpx.codes.UNPROCESSABLE_ENTITY
                return

    async def faults(self) -> tuple[list[str], list[str]]:
        """What is lost, and what is there twice, once all load has ended."""
        async with self._connected() as self._redis:
            await until(self._is_empty)
            answered, dead = await self._messages_in(ANSWERS), await self._messages_in(DEAD_LETTERS)
        lost = [f"message {each} has no answer" for each in self._sent - answered.keys()]
        lost += [f"message {each} has no dead letter" for each in self._poison - dead.keys()]
        twice = [f"message {each} has {count} answers" for each, count in answered.items() if count > 1]
        twice += [f"message {each} was no poison" for each in dead.keys() & self._sent - self._poison]
        strange = answered.keys() - self._sent
        twice += [f"messages {strange} were never sent"] if len(strange) > self._unsure else []
        return lost, twice

    async def _send(self, body: bytes, *, key: str) -> str:
        shard = crc32(key.encode()) % self._shards
        try:
            id_ = await self._redis.xadd(commands(shard), {"command": body})
        except _GONE as error:
            self._unsure += 1
            raise httpx.ConnectError(str(error)) from error
        message = f"{shard}:{id_.decode()}"
        self._sent.add(message)
        return message

    async def _is_empty(self) -> bool:
        return not any([await self._redis.xlen(commands(shard)) for shard in range(self._shards)])

    async def _messages_in(self, stream: str) -> Counter[str]:
        return Counter(_message(fields) for _, fields in await self._redis.xrange(stream))

    async def _follow(self) -> None:
        since = b"0-0"
        while True:
            try:
                found = await self._redis.xread({ANSWERS: since}, block=1_000)
            except _GONE:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            for id_, fields in _entries(found):
                since = id_
                if not (answer := self._answers[_message(fields)]).done():
                    answer.set_result(msgspec.json.decode(fields[b"answer"]))


def _message(fields: Mapping[bytes, bytes]) -> str:
    """The message of an answer or a dead letter."""
    return f"{fields[b'shard'].decode()}:{fields[b'message'].decode()}"


def _body_of(request: httpx.Request) -> bytes:
    about = {"command": request.url.path.rpartition("/")[2], "idempotency_key": request.headers["Idempotency-Key"]}
    if expected := request.headers.get("If-Match"):
        about["if_match"] = expected
    return msgspec.json.encode({**msgspec.json.decode(request.content), **about})


def _entries(found: Any) -> list[Any]:
    """Those of the one stream, from a reply of RESP2 or RESP3."""
    if isinstance(found, dict):
        return [entry for part in found.get(ANSWERS.encode(), ()) for entry in part]
    return [entry for _, entries in found or () for entry in entries]
