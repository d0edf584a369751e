"""Answers that are made while their request is still being read, for clients that read later than they send."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, ParamSpec, Self, TypeVar

from litestar.types import ASGIApp, Receive, Scope, Send

from shared.server.sockets import ReadingPatience
from write_side.http.limits import StreamedAnswerLimits

P = ParamSpec("P")
T = TypeVar("T")


class NoRoom(Exception):
    """The answer can wait no longer: there is no room on the disk, or no more may be taken."""


class DiskRoom:
    """The bytes on disk that all answers of a process may take together."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> None:
        """:raises NoRoom: so much is not left."""
        if size > self._left:
            raise NoRoom
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class WaitingAnswers:
    """
    Lines on their way to a client: they wait in memory, and from there on in a file that has no name.

    One task puts lines and one takes them. Lines in memory come before those in the file, and these before its tail.
    """

    def __init__(self, room: DiskRoom, limits: StreamedAnswerLimits) -> None:
        self._room = room
        self._limits = limits
        self._memory, self._tail = bytearray(), bytearray()
        self._file: IO[bytes] | None = None
        self._read = self._written = self.put_bytes = 0
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._room.give_back(self._written)
        if self._file is not None:
            self._file.close()

    async def put(self, line: bytes) -> None:
        """:raises NoRoom: it is kept, but nothing more may be put than one line that says so."""
        self.put_last(line)
        if len(self._tail) >= self._limits.block:
            await self._spill()

    def put_last(self, line: bytes) -> None:
        """Put a line for which there is always room."""
        is_behind = self._tail or self._written or self._one_at_a_time.locked()
        if is_behind or len(self._memory) + len(line) > self._limits.memory:
            self._tail += line
        else:
            self._memory += line
        self.put_bytes += len(line)
        self._changed.set()

    def end(self) -> None:
        """No line follows."""
        self._ended = True
        self._changed.set()

    async def take(self) -> bytes:
        """Wait for lines, and return those that come next; nothing at the end."""
        while not (self._memory or self._tail or self._written or self._ended):
            self._changed.clear()
            await self._changed.wait()
        if not self._memory:
            async with self._one_at_a_time:
                if self._file is not None and self._written:
                    return await _in_thread(self._next_block, self._file)
                self._memory, self._tail = self._tail, bytearray()
        taken, self._memory = bytes(self._memory), bytearray()
        return taken

    async def _spill(self) -> None:
        """Write the tail to the file; it stays what it is if that fails."""
        async with self._one_at_a_time:
            size = len(self._tail)
            self._room.take(size)
            try:
                await _in_thread(self._append, bytes(self._tail))
            except OSError as error:
                self._room.give_back(size)
                raise NoRoom from error
            self._written += size
            del self._tail[:size]

    def _append(self, block: bytes) -> None:
        if self._file is None:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the answer
        view, at = memoryview(block), self._written
        while view:
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written

    def _next_block(self, file: IO[bytes]) -> bytes:
        """Read on; a file that was read to its end begins anew."""
        block = os.pread(file.fileno(), self._limits.block, self._read)
        self._read += len(block)
        if self._read == self._written:
            file.truncate(0)
            self._room.give_back(self._written)
            self._read = self._written = 0
        return block


def duplex(
    make: Callable[[WaitingAnswers], Awaitable[None]], *, media_type: str, room: DiskRoom, limits: StreamedAnswerLimits
) -> ASGIApp:
    """
    Answer while the request is being read; Litestar's `Stream` would read the body away to see a disconnection.

    :param make: puts the lines of the answer; the client gets each as soon as it reads it.
    """

    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-type", media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with WaitingAnswers(room, limits) as answers, ReadingPatience(scope.get("client")) as patience:
            making = asyncio.ensure_future(_made(make, answers))
            extending = asyncio.ensure_future(_extended(patience, answers, every=limits.patience))
            try:
                while lines := await answers.take():
                    await send({"type": "http.response.body", "body": lines, "more_body": True})
                await making
            finally:
                await _cancelled(making, extending)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer


async def _made(make: Callable[[WaitingAnswers], Awaitable[None]], answers: WaitingAnswers) -> None:
    try:
        await make(answers)
    finally:
        answers.end()


async def _extended(patience: ReadingPatience, answers: WaitingAnswers, *, every: float) -> None:
    """Let the client leave answers unread as long as it sends what they answer."""
    put = 0
    while True:
        await asyncio.sleep(every)
        if answers.put_bytes > put:
            put = answers.put_bytes
            await _in_thread(patience.extend)


async def _in_thread(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run it beside the event loop, to its end: a file that it still uses must not be closed."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
