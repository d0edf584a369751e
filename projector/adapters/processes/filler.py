"""Ranges filled in processes of their own, so that this one keeps its time for what is new and for operators."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from projector.adapters.processes.protocol import Ended, Failed, Said, Waiting, Worked, decode, encode
from projector.processing.filling import RangeOrder, RangeOutcome, Report, Turn
from shared.errors import Unavailable
from shared.runtime.exit_with_parent import ending_with_parent

LONGEST_LINE = 1 << 26
"""What is parked of a range stands in one."""


class RangeFillerInChild:
    """
    Fills each range in a child process: it ends with this one, is rested as this one says, and writes when it may.

    It is killed where that is cancelled.
    """

    def __init__(self, command: Sequence[str], *, niceness: int) -> None:
        """
        :param command: what runs the child; the order follows, in JSON.
        :param niceness: how much less of a busy processor it gets than this process.
        """
        self._command = command
        self._niceness = niceness

    async def fill(self, order: RangeOrder, *, turn: Turn, report: Report) -> RangeOutcome:
        async with self._running(order) as child:
            return await _Conversation(child).followed(turn, report)

    @asynccontextmanager
    async def _running(self, order: RangeOrder) -> AsyncIterator[asyncio.subprocess.Process]:
        command = [sys.executable, *self._command, encode(order).decode()]
        bound = ending_with_parent(command, niceness=self._niceness)
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*bound, stdin=pipe, stdout=pipe, limit=LONGEST_LINE)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
            await asyncio.shield(child.wait())


class _Conversation:
    """What a child says, and what it is answered."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        if child.stdin is None or child.stdout is None:
            raise TypeError("the child has no pipes")
        self._child, self._says, self._hears = child, child.stdout, child.stdin

    async def followed(self, turn: Turn, report: Report) -> RangeOutcome:
        """:raises Exception: what ended the child."""
        while True:
            match await self._said():
                case Worked() as worked:
                    await report(worked.piece())
                    self._hears.write(b"\n")
                case Waiting():
                    async with turn() as checkpoint:
                        self._hears.write(encode(checkpoint) + b"\n")
                        await self._said()
                case Ended(outcome):
                    return outcome

    async def _said(self) -> Said:
        if not (line := await self._says.readline()):
            raise Unavailable(f"a process that fills ended with {await self._child.wait()}")
        said: Said = decode(line)
        if isinstance(said, Failed):
            raise said.error()
        return said
