"""A connection to PostgreSQL that breaks at the worst moment: while a command is being committed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

import httpx

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query, as psycopg sends it: type, length and text (PostgreSQL documentation, "Message Formats")."""

_CHUNK = 65_536
_LATE_SECONDS = 0.3


class Cut(Enum):
    """When the connection breaks."""

    BEFORE = "the server never hears of the COMMIT"
    LATE = "the client has lost its connection already when the server hears of the COMMIT"
    AFTER = "the server has committed, and its answer is lost"


class CuttingProxy:
    """Stands between a client and its PostgreSQL; `cuts` counts the commits it has hit."""

    def __init__(self, database_url: str, *, cut: Cut, share: float, seed: int) -> None:
        """:param share: of the commits that are to be hit; the first of each connection, its preparation, never is."""
        self._server = httpx.URL(database_url)
        self._cut = cut
        self._share = share
        self._choose = random.Random(seed)
        self._links: set[asyncio.Task[None]] = set()
        self.cuts = 0
        self.commits = 0
        self.url = database_url

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = str(self._server.copy_with(port=port))
        try:
            yield
        finally:
            server.close()
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server_says, server = await asyncio.open_connection(self._server.host, self._server.port)
        answers = asyncio.create_task(_pass_on(server_says, client))
        try:
            first = True
            while chunk := await client_says.read(_CHUNK):
                if chunk == _COMMIT and not first and self._hits():
                    answers.cancel()
                    await asyncio.wait([answers])
                    await self._break(client, server_says, server)
                    return
                first = first and chunk != _COMMIT
                server.write(chunk)
        except ConnectionError:
            return  # one side has gone, and the other learns of it below
        finally:
            answers.cancel()
            client.transport.abort()
            server.close()

    def _hits(self) -> bool:
        self.commits += 1
        hit = self._choose.random() < self._share
        self.cuts += hit
        return hit

    async def _break(
        self, client: asyncio.StreamWriter, server_says: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        if self._cut is Cut.BEFORE:
            return
        if self._cut is Cut.LATE:
            client.transport.abort()
            await asyncio.sleep(_LATE_SECONDS)
        server.write(_COMMIT)
        answer = await server_says.read(_CHUNK)
        assert b"COMMIT\x00" in answer, answer


async def _pass_on(source: asyncio.StreamReader, destination: asyncio.StreamWriter) -> None:
    while chunk := await source.read(_CHUNK):
        destination.write(chunk)
    destination.close()
