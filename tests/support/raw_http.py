"""An HTTP client so small that what is measured is the server: HTTP/1.1 over one kept connection (RFC 9112)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """One connection, one request at a time; only answers with a Content-Length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: str) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = f"Host: muster\r\n{headers}"

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> Self:
        """:param headers: of every request."""
        parts = urlsplit(url)
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return cls(*await asyncio.open_connection(parts.hostname, parts.port), sent)

    async def get(self, path: str, headers: str = "") -> RawAnswer:
        return await self._exchange(f"GET {path} HTTP/1.1\r\n{self._headers}{headers}\r\n".encode())

    async def post(self, path: str, body: bytes) -> RawAnswer:
        about = f"{self._headers}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self._exchange(f"POST {path} HTTP/1.1\r\n{about}\r\n".encode() + body)

    async def _exchange(self, request: bytes) -> RawAnswer:
        self._writer.write(request)
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return RawAnswer(
            int(status.split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))
        )

    def close(self) -> None:
        self._writer.close()


class RawStream:
    """A stream of commands whose answers are read while it is being sent (RFC 9112, section 7.1)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> Self:
        parts = urlsplit(url)
        stream = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        sent = {"Host": "muster", **headers, "Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
        about = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        stream._writer.write(f"POST /commands HTTP/1.1\r\n{about}\r\n".encode())
        return stream

    async def send(self, lines: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(lines), lines))
        await self._writer.drain()

    async def answered(self) -> Any:
        """The next line of the answer, None at its end."""
        while not (line := await self._reader.readline()).startswith(b"{"):
            if line in {b"0\r\n", b""}:
                return None
        return msgspec.json.decode(line)

    async def aclose(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()
