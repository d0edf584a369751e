"""Receivers of webhooks on a port of this machine, by their paths."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

ANSWERS: Mapping[str, str] = {
    "/well": "204 No Content",
    "/failing": "500 Internal Server Error",
    "/redirecting": "307 Temporary Redirect\r\nLocation: /elsewhere",
    "/gone": "410 Gone",
}


class RealReceivers:
    """
    What came in and was taken, by path and in order.

    :ivar answers: by paths; all others take what comes.
    :ivar silent: paths that answer once they may.
    """

    def __init__(self) -> None:
        self.port = 0
        self.answers = dict(ANSWERS)
        self.silent = {"/slow"}
        self._server: asyncio.Server | None = None
        self.came: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        self.bodies: defaultdict[str, list[bytes]] = defaultdict(list)
        self.slow_may_answer = asyncio.Event()

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def taken(self, path: str) -> dict[UUID, dict]:
        """Each change once, in the order in which it came first."""
        found: dict[UUID, dict] = {}
        for headers, body in zip(self.came[path], self.bodies[path], strict=True):
            found.setdefault(UUID(headers["webhook-id"]), msgspec.json.decode(body))
        return found

    def verify(self, path: str, *secrets: str) -> None:
        """:raises WebhookVerificationError: something was not signed by one of these."""
        for headers, body in zip(self.came[path], self.bodies[path], strict=True):
            for secret in secrets:
                Verifier(secret).verify(body, dict(headers))

    def not_signed(self, path: str, secret: str) -> list[str]:
        """Return the ids of what was not signed by this secret for the time that it names, whenever that may be."""
        return [
            headers["webhook-id"]
            for headers, body in zip(self.came[path], self.bodies[path], strict=True)
            if _signature(headers, body, secret) not in headers["webhook-signature"].split()
        ]

    def last_is_signed(self, path: str, secret: str) -> bool:
        """Whether what came last was signed by a secret."""
        try:
            Verifier(secret).verify(self.bodies[path][-1], dict(self.came[path][-1]))
        except WebhookVerificationError:
            return False
        return True

    async def come(self) -> None:
        """Listen at every address, so that nothing but Muster keeps a request from coming; where they did before."""
        self._server = await asyncio.start_server(self.answer, "0.0.0.0", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go(self) -> None:
        """Listen no more; what is under way is answered."""
        assert self._server is not None
        self._server.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            path = request.split()[1]
            answer = self.answers.get(path, "200 OK")
            if answer.startswith("2"):
                self.came[path].append(headers)
                self.bodies[path].append(body)
            if path in self.silent:
                await self.slow_may_answer.wait()
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # its sender was killed
        finally:
            writer.close()


@asynccontextmanager
async def real_receivers() -> AsyncIterator[RealReceivers]:
    receivers = RealReceivers()
    await receivers.come()
    try:
        yield receivers
    finally:
        receivers.slow_may_answer.set()
        await receivers.go()


def _signature(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    return Verifier(secret).sign(headers["webhook-id"], at, body.decode())


def in_order(changes: Sequence[dict]) -> bool:
    """Whether the changes of each account came in their order."""
    last: dict[str, int] = {}
    for each in changes:
        about = each["data"].get("account_id") or each["data"]["group_id"]
        if each["sequence"] < last.get(about, 0):
            return False
        last[about] = each["sequence"]
    return True
