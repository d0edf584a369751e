"""A write API of a few lines: it takes every command, once a key, and fails as it is told."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Answers = Iterator[bytes]
Fault = Callable[["FakeWriteApi", httpx.Request], httpx.Response]


class FakeWriteApi:
    """Commands with a field `refused` are 422; `faults` befall the next requests, one each."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.applied: dict[str, int] = {}
        self.faults: deque[Fault] = deque()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="http://write.test", transport=httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        assert request.url == "http://write.test/commands"
        assert request.headers["content-type"] == "application/x-ndjson"
        self.requests.append([json.loads(line) for line in request.content.split(b"\n")])
        fault = self.faults.popleft() if self.faults else FakeWriteApi.answer
        return fault(self, request)

    def answer(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.answers())

    def answers(self) -> Answers:
        for number, command in enumerate(self.requests[-1], start=1):
            yield json.dumps({"line": number, **self._outcome(command)}, ensure_ascii=False).encode() + b"\n"

    def _outcome(self, command: dict[str, Any]) -> dict[str, Any]:
        if "refused" in command:
            wrong = [{"pointer": "/refused", "detail": "is not a field here"}]
            return {"status": 422, "type": "/problems/invalid", "title": "Invalid", "detail": "No", "errors": wrong}
        replayed = command["idempotency_key"] in self.applied
        position = self.applied.setdefault(command["idempotency_key"], len(self.applied) + 1)
        return {"status": 200, "id": "x", "version": 1, "position": position, "replayed": replayed}


def storage_unavailable(api: FakeWriteApi, request: httpx.Request) -> httpx.Response:
    """The second line, and so all behind it, cannot be stored."""

    def answers() -> Answers:
        yield next(api.answers())
        for number in range(2, len(api.requests[-1]) + 1):
            yield json.dumps({"line": number, "status": 503, "title": "The database is away"}).encode() + b"\n"

    return httpx.Response(200, content=answers())


def unavailable(_api: FakeWriteApi, _request: httpx.Request) -> httpx.Response:
    """As a proxy says it whose write API is away."""
    return httpx.Response(503, headers={"Retry-After": "7"}, text="<html>")


def drop(api: FakeWriteApi, request: httpx.Request) -> httpx.Response:
    """Every line is carried out, and the connection lost in the middle of the second answer."""

    def answers() -> Answers:
        first, second, *_ = api.answers()
        yield first + second[:5]
        raise httpx.RemoteProtocolError("peer closed connection", request=request)

    return httpx.Response(200, content=answers())


def refuse_connection(_api: FakeWriteApi, request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused", request=request)


def interrupt(api: FakeWriteApi, request: httpx.Request) -> httpx.Response:
    """Ctrl-C, after the first answer."""

    def answers() -> Answers:
        yield next(api.answers())
        raise KeyboardInterrupt

    return httpx.Response(200, content=answers())
