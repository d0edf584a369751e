"""Ranges filled in processes of their own, so that this one keeps its time for what is new and for operators."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from projector.adapters.processes.protocol import AllDone, Ended, Failed, Said, Waiting, Worked, decode, encode
from projector.processing.filling import RangeOrder, Shares
from shared.errors import Unavailable
from shared.runtime.exit_with_parent import ending_with_parent

LONGEST_LINE = 1 << 26
"""What is parked of a range stands in one."""


class ReadingInChild:
    """
    Reads in a child process: it ends with this one, is rested as this one says, and writes when it may.

    It is killed where that is cancelled.
    """

    def __init__(self, command: Sequence[str], *, niceness: int) -> None:
        """
        :param command: what runs the child; the orders follow, in JSON.
        :param niceness: how much less of a busy processor it gets than this process.
        """
        self._command = command
        self._niceness = niceness

    async def fill(self, shares: Shares) -> None:
        async with self._running(shares.orders) as child:
            await _Conversation(child, shares).follow()

    @asynccontextmanager
    async def _running(self, orders: Mapping[str, RangeOrder]) -> AsyncIterator[asyncio.subprocess.Process]:
        command = [sys.executable, *self._command, encode(orders).decode()]
        bound = ending_with_parent(command, niceness=self._niceness)
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*bound, stdin=pipe, stdout=pipe, limit=LONGEST_LINE)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
            await asyncio.shield(child.wait())


class _NotWritten(Exception):
    """A range cannot be written; the turn is not counted."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class _Conversation:
    """What a child says, and what it is answered."""

    def __init__(self, child: asyncio.subprocess.Process, shares: Shares) -> None:
        if child.stdin is None or child.stdout is None:
            raise TypeError("the child has no pipes")
        self._child, self._says, self._hears = child, child.stdout, child.stdin
        self._shares = shares

    async def follow(self) -> None:
        """:raises Exception: what ended the child."""
        while True:
            match await self._said():
                case Worked(pieces):
                    await self._shares.report(pieces)
                    self._answer([*filter(self._shares.is_wanted, self._shares.orders)])
                case Waiting(label):
                    await self._let_write(label)
                case Ended(label, outcome):
                    self._shares.end(label, outcome)
                case Failed(label=label) as failed:
                    self._shares.end(label, failed.error())
                case AllDone():
                    return

    async def _let_write(self, label: str) -> None:
        try:
            async with self._shares.turn(label) as checkpoint:
                self._answer(checkpoint)
                _require_written(await self._said())
        except _NotWritten as not_written:
            self._shares.end(label, not_written.failed.error())

    async def _said(self) -> Said:
        if not (line := await self._says.readline()):
            raise Unavailable(f"a process that fills ended with {await self._child.wait()}")
        said: Said = decode(line)
        if isinstance(said, Failed) and not said.label:
            raise said.error()
        return said

    def _answer(self, answer: object) -> None:
        self._hears.write(encode(answer) + b"\n")


def _require_written(said: Said) -> None:
    if isinstance(said, Failed):
        raise _NotWritten(said)
