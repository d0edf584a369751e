"""Lines between clients and a server that can be slow, cut, or lose what the server says, at the worst moment."""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import httpx

_COMMIT = b"COMMIT\x00"
"""
As psycopg sends it, in a simple query or behind other statements of a pipeline, and as the server answers it
(PostgreSQL documentation, "Message Formats").
"""
_IS_OVER = re.compile(_COMMIT + rb"|Z\x00\x00\x00\x05[EI]")
"""Either that, or the server is ready for more, in a transaction that has failed or in none: there is no COMMIT."""

_CHUNK = 65_536
_LATE_SECONDS = 0.3


@dataclass(slots=True, eq=False)
class Link:
    """A client's connection, and the one with the server that was opened for it."""

    client_says: asyncio.StreamReader
    client: asyncio.StreamWriter
    server_says: asyncio.StreamReader
    server: asyncio.StreamWriter

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class Proxy:
    """
    Stands between clients and their server; both think that they speak to one another.

    What it does can be changed at any time: `delay` (seconds) is put before everything that is passed on, what `loses`
    says of is not told to the client, at what `breaks` says of the line breaks before the server hears it, and while it
    is not open nobody gets through.
    """

    def __init__(self, url: str) -> None:
        self._server = httpx.URL(url)
        self.url = url
        self.delay = 0.0
        self.is_open = True
        self.loses: Callable[[bytes], bool] | None = None
        self.lost = 0
        """How often something was not told."""
        self.breaks: Callable[[bytes], bool] | None = None
        self.broken = 0
        """How often the line broke at what a client said."""
        self._links: dict[asyncio.Task[None], Link] = {}

    @asynccontextmanager
    async def running(self, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """:param tls: what clients have to speak; the server is spoken to without."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        self.url = str(self._server.copy_with(port=port))
        try:
            yield
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self) -> int:
        """Break all connections; says how many there were."""
        for task, link in self._links.items():
            link.abort()
            task.cancel()
        return len(self._links)

    async def _accept(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            if not self.is_open:
                raise ConnectionRefusedError
            link = Link(client_says, client, *await asyncio.open_connection(self._server.host, self._server.port))
        except OSError:
            client.transport.abort()
            return
        task = asyncio.create_task(self._joined(link))
        self._links[task] = link
        task.add_done_callback(self._links.pop)

    async def _joined(self, link: Link) -> None:
        """Pass on what both say until one of them has gone."""
        answers = asyncio.create_task(self._to_client(link))
        questions = asyncio.create_task(self._to_server(link, answers))
        try:
            await asyncio.wait((answers, questions), return_when=asyncio.FIRST_COMPLETED)
            if answers.cancelled():  # by the breaking of the line, which has not finished yet
                await questions
        finally:
            answers.cancel()
            questions.cancel()
            await asyncio.gather(answers, questions, return_exceptions=True)
            link.client.close()
            link.server.close()

    async def _to_server(self, link: Link, answers: asyncio.Task[None]) -> None:
        while chunk := await link.client_says.read(_CHUNK):
            await self._wait()
            if self.breaks is not None and self.breaks(chunk):
                self.broken += 1
                link.abort()
                return
            link.server.write(chunk)

    async def _to_client(self, link: Link) -> None:
        while chunk := await link.server_says.read(_CHUNK):
            await self._wait()
            if self.loses is not None and self.loses(chunk):
                self.lost += 1
            else:
                link.client.write(chunk)

    async def _wait(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)


class Cut(Enum):
    """When the connection breaks."""

    BEFORE = "the server never hears of the COMMIT"
    LATE = "the client has lost its connection already when the server hears of the COMMIT"
    AFTER = "the server has committed, and its answer is lost"


class CuttingProxy(Proxy):
    """
    Stands between clients and their PostgreSQL.

    `cuts` counts the commits it has hit, and `undone` those of them of which nothing is stored.
    """

    def __init__(self, database_url: str, *, cut: Cut, share: float, seed: int) -> None:
        """:param share: of the commits that are to be hit; the first of each connection, its preparation, never is."""
        super().__init__(database_url)
        self.when = cut
        self.share = share
        self._choose = random.Random(seed)
        self.cuts = 0
        self.undone = 0

    async def _to_server(self, link: Link, answers: asyncio.Task[None]) -> None:
        first = True
        while chunk := await link.client_says.read(_CHUNK):
            if _COMMIT in chunk and not first and self._choose.random() < self.share:
                self.cuts += 1
                answers.cancel()
                await asyncio.wait([answers])
                await self._break(link, chunk)
                return
            first = first and _COMMIT not in chunk
            await self._wait()
            link.server.write(chunk)

    async def _break(self, link: Link, said: bytes) -> None:
        if self.when is Cut.BEFORE:
            self.undone += 1
            link.client.transport.abort()
            return
        if self.when is Cut.LATE:
            link.client.transport.abort()
            await asyncio.sleep(_LATE_SECONDS)
        link.server.write(said)
        answer = b""
        while not _IS_OVER.search(answer) and (more := await link.server_says.read(_CHUNK)):
            answer += more
        self.undone += _COMMIT not in answer
        link.client.transport.abort()
