"""Generations filled in a process of its own, so that this one keeps its time for what is new and for operators."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from projector.adapters.processes.protocol import Ended, Failed, Worked, decode
from projector.processing.filling import Filler, Report
from shared.errors import Unavailable
from shared.event_log import EventLog
from shared.read_model.positions import Pointer
from shared.runtime.exit_with_parent import ending_with_parent


class FillerInChild:
    """
    Fills in a child process: it ends with this one, is rested as this one says, and is killed where that is cancelled.

    A log that is soon read is filled from here: no process would be worth it.
    """

    def __init__(self, filler: Filler, log: EventLog, command: Sequence[str], *, most_here: int) -> None:
        """
        :param filler: of the same projection, in this process.
        :param command: what runs the child; name and version of the generation follow.
        :param most_here: positions of the log up to which it is filled from here.
        """
        self._filler = filler
        self._log = log
        self._command = command
        self._most_here = most_here

    async def fill(self, pointer: Pointer, *, report: Report) -> bool:
        async with self._log.connect() as reader:
            head = await reader.head()
        if head <= self._most_here:
            return await self._filler.fill(pointer, report=report)
        async with self._running(pointer) as child:
            return await _followed(child, report)

    @asynccontextmanager
    async def _running(self, pointer: Pointer) -> AsyncIterator[asyncio.subprocess.Process]:
        command = [sys.executable, *self._command, pointer.generation, str(pointer.version)]
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*ending_with_parent(command), stdin=pipe, stdout=pipe)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
            await asyncio.shield(child.wait())


async def _followed(child: asyncio.subprocess.Process, report: Report) -> bool:
    """:raises Exception: what ended the child."""
    if child.stdin is None or child.stdout is None:
        raise TypeError("the child has no pipes")
    async for line in child.stdout:
        match decode(line):
            case Worked() as worked:
                await report(worked.piece())
                child.stdin.write(b"\n")
            case Ended(is_filled):
                return is_filled
            case Failed() as failed:
                raise failed.error()
    raise Unavailable(f"the process that fills ended with {await child.wait()}")
