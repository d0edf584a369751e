"""A pooler between clients and their PostgreSQL: of transactions, whose end frees a server process, or of sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from shared.dev_stack.embedded.server import free_port

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_ENCRYPTION = {(80_877_103).to_bytes(4), (80_877_104).to_bytes(4)}
"""What a client asks before it says who it is (PostgreSQL documentation, "Message Formats")."""
_ANSWERED_BY_CLIENT = {(code).to_bytes(4) for code in (3, 5, 10, 11)}
"""Kinds of authentication message."""


@asynccontextmanager
async def pooler(url: str, *, keeps_sessions: bool = False) -> AsyncIterator[str]:
    """Pool the sessions with a server; give the URL that clients use."""
    pooler, port = _Pooler(httpx.URL(url), keeps_sessions=keeps_sessions), free_port()
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", port)
    try:
        yield str(httpx.URL(url).copy_with(port=port))
    finally:
        server.close()
        await pooler.close()


class _Pooler:
    """Each client that connects brings one more server process into the pool, which all then take turns with."""

    def __init__(self, server: httpx.URL, *, keeps_sessions: bool) -> None:
        self._server = server
        self._freed = None if keeps_sessions else b"I"
        """The state in which a server process leaves its client."""
        self._idle: asyncio.LifoQueue[Line] = asyncio.LifoQueue()
        self._open: list[asyncio.StreamWriter] = []
        self._served: list[asyncio.Task[None]] = []

    async def serve(self, says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._open.append(client)
        self._served.append(asyncio.current_task())
        try:
            await self._admit(says, client)
            while (message := await _message(says))[:1] != b"X":
                await self._carry_out(message, says, client)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):  # by `close`
            pass
        finally:
            client.close()

    async def close(self) -> None:
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served)
        for writer in self._open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)

    async def _admit(self, says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while (greeting := await _packet(says))[4:8] in _ENCRYPTION:
            client.write(b"N")
        answers, server = await asyncio.open_connection(self._server.host, self._server.port)
        self._open.append(server)
        server.write(greeting)
        while (message := await _message(answers))[:1] != b"Z":
            is_key = message[:1] == b"K"
            client.write(
                b"K\x00\x00\x00\x0c" + bytes(4) + message[9:] if is_key else message
            )  # a pooler has keys of its own
            if message[:1] == b"R" and message[5:9] in _ANSWERED_BY_CLIENT:
                server.write(await _message(says))
        client.write(message)
        self._idle.put_nowait((answers, server))

    async def _carry_out(self, message: bytes, says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Lend the client a server process until its transaction ends."""
        answers, server = await self._idle.get()
        state = b"T"
        while state != self._freed:
            server.write(message)
            if message[:1] in b"QS":
                while (answer := await _message(answers))[:1] != b"Z":
                    client.write(answer)
                client.write(answer)
                state = answer[5:6]
            message = b"" if state == self._freed else await _message(says)
        self._idle.put_nowait((answers, server))


async def _message(stream: asyncio.StreamReader) -> bytes:
    return await stream.readexactly(1) + await _packet(stream)


async def _packet(stream: asyncio.StreamReader) -> bytes:
    length = await stream.readexactly(4)
    return length + await stream.readexactly(int.from_bytes(length) - 4)
