"""Requests with two meanings, and bodies that are still coming when their request is answered."""

import asyncio
import itertools

import pytest

from shared.http.limits import HttpLimits
from shared.http.middleware.framing import IncomingBody, MessageFraming

HOST = (b"host", b"localhost:8001")
TWICE = [b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"if-match"]
REFUSED = {
    "no host": (400, []),
    "a host without a name": (400, [(b"host", b"")]),
    "a path for a host": (400, [(b"host", b"localhost/x")]),
    "two hosts in one": (400, [(b"host", b"a, b")]),
    **{f"two of {name.decode()}": (400, [HOST, (name, b"1"), (name, b"1")]) for name in TWICE},
    "a coding before chunks": (400, [HOST, (b"transfer-encoding", b"gzip, chunked")]),
    "chunks twice": (400, [HOST, (b"transfer-encoding", b"chunked, chunked")]),
    "a part": (400, [HOST, (b"content-range", b"bytes 0-1/9"), (b"content-length", b"2")]),
    "gzip": (415, [HOST, (b"content-encoding", b"gzip")]),
    "two codings": (415, [HOST, (b"content-encoding", b"identity, zstd")]),
}
TAKEN = {
    "a host": [HOST],
    "an address": [(b"host", b"[::1]:8001")],
    "chunks": [HOST, (b"transfer-encoding", b"Chunked")],
    "no coding": [HOST, (b"content-encoding", b"identity")],
    "a list in two headers": [HOST, (b"accept", b"text/html"), (b"accept", b"*/*")],
}


class Exchange:
    """One request to the layer in front of an application that answers before it reads; then chunks come."""

    def __init__(self, headers, *, version="1.1", chunks=(), ends=True, **limits):
        self.scope = {"type": "http", "path": "/", "http_version": version, "headers": headers}
        self.chunks, self.ends, self.limits = iter(chunks), ends, HttpLimits(**limits)
        self.statuses, self.read = [], 0

    async def run(self):
        framing = MessageFraming(self._app)
        framing._limits = self.limits
        async with asyncio.timeout(30):
            await framing(self.scope, self._receive, self._send)

    async def _app(self, _scope, _receive, send):
        await send({"type": "http.response.start", "status": 401, "headers": []})

    async def _receive(self):
        assert self.statuses, "the answer comes first"
        for chunk in self.chunks:
            self.read += len(chunk)
            return {"type": "http.request", "body": chunk, "more_body": True}
        if not self.ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])


@pytest.mark.parametrize(("status", "headers"), REFUSED.values(), ids=REFUSED)
async def test_what_has_two_meanings_is_refused(status, headers):
    """A proxy in front of us may have understood the other one."""
    exchange = Exchange(headers)

    await exchange.run()

    assert exchange.statuses == [status]


@pytest.mark.parametrize(
    ("headers", "version"), [*((each, "1.1") for each in TAKEN.values()), ([], "1.0"), ([(b"host", b"")], "1")]
)
async def test_what_has_one_meaning_is_passed_on(headers, version):
    exchange = Exchange(headers, version=version)

    await exchange.run()

    assert exchange.statuses == [401]


SENDS = [HOST, (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("headers", [SENDS, [HOST, (b"content-length", b"5000")], [*SENDS, (b"host", b"b")]])
async def test_what_is_still_coming_is_read_on_to_its_end(headers):
    exchange = Exchange(headers, chunks=[b"x" * 1_000] * 5)

    await exchange.run()

    assert exchange.read == 5_000


async def test_it_is_read_on_no_further_than_so_many_bytes():
    exchange = Exchange(SENDS, chunks=itertools.repeat(b"x" * 1_000), linger_bytes=10_000)

    await exchange.run()

    assert exchange.read == 10_000


async def test_it_is_read_on_no_longer_than_so_many_seconds():
    """A client without a token must not hold a connection by it."""
    exchange = Exchange(SENDS, chunks=[b"x"], ends=False, linger=0.01)

    await exchange.run()

    assert exchange.read == 1


async def test_a_body_that_its_client_holds_back_is_not_asked_for():
    """It never comes: its client has the answer instead of 100."""
    exchange = Exchange([*SENDS, (b"expect", b"100-continue")], ends=False)

    await exchange.run()

    assert exchange.read == 0


async def test_a_body_that_was_read_is_not_waited_for():
    """Nothing would come after its end."""
    messages = iter([{"type": "http.request", "body": b"all"}])

    async def receive():
        return next(messages)

    body = IncomingBody(receive)
    await body.receive()

    await body.read_on(HttpLimits())
