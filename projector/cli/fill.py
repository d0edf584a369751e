"""
The process that fills ranges of generations for a projector: `python -m projector.cli.fill PARTITIONS,… ORDERS`.

Its standard output is for that projector alone, which says on its standard input when it may go on, and when it may
write.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

import msgspec
import structlog

from projector.adapters.processes.protocol import AllDone, Ended, Said, Waiting, Worked, Wrote, encode, failed
from projector.processing.filling import Piece, RangeOrder, RangeOutcome
from projector.services import reading_on
from shared.observability import logging as telemetry
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Checkpoint
from shared.settings import Settings

log = structlog.get_logger()


class Conversation:
    """The projector that wants ranges filled, and is told of each piece of work; see `Shares`."""

    def __init__(self, orders: Mapping[str, RangeOrder], hears: BinaryIO, says: BinaryIO) -> None:
        self.orders = orders
        self._wanted = set(orders)
        self._hears = hears
        self._says = says
        self._is_awaited = False

    def say(self, said: Said) -> None:
        self._says.write(encode(said) + b"\n")
        self._says.flush()

    def are_wanted(self) -> bool:
        return bool(self._wanted)

    def is_wanted(self, label: str) -> bool:
        return label in self._wanted

    async def report(self, pieces: Mapping[str, Piece]) -> None:
        """Say what was done, once what was said before is answered: one piece is under way meanwhile."""
        self._wait()
        self.say(Worked(pieces))
        self._is_awaited = True

    @asynccontextmanager
    async def turn(self, label: str) -> AsyncIterator[Checkpoint]:
        self._wait()
        self.say(Waiting(label))
        yield msgspec.json.decode(self._answer(), type=Checkpoint)
        self.say(Wrote())

    def end(self, label: str, end: RangeOutcome | Exception) -> None:
        self._wait()
        self._wanted.discard(label)
        if isinstance(end, RangeOutcome):
            self.say(Ended(label, end))
            return
        said = failed(end, label)
        if not said.kind:
            log.critical("the filling of a generation has ended with a defect", exc_info=end)
        self.say(said)

    def _wait(self) -> None:
        if self._is_awaited:
            self._wanted.intersection_update(msgspec.json.decode(self._answer(), type=list[str]))
            self._is_awaited = False

    def _answer(self) -> bytes:
        return self._hears.readline() or sys.exit("the projector has ended")


def main(arguments: Sequence[str]) -> None:
    counts, orders = arguments
    settings = Settings.here()
    telemetry.configure(settings.log_format)
    ranges = msgspec.json.decode(orders, type=dict[str, RangeOrder])
    conversation = Conversation(ranges, sys.stdin.buffer, sys.stdout.buffer)
    gc.freeze()
    gc.disable()  # records are kept by the hundred thousand, and in no circles
    try:
        asyncio.run(_fill([Partitions(int(count)) for count in counts.split(",")], settings, conversation))
    except Exception as error:
        said = failed(error)
        if not said.kind:
            log.critical("the filling of generations has ended with a defect", exc_info=error)
        conversation.say(said)
    else:
        conversation.say(AllDone())


async def _fill(counts: Sequence[Partitions], settings: Settings, conversation: Conversation) -> None:
    async with reading_on(conversation.orders, counts, settings) as reading:
        await reading.fill(conversation)


if __name__ == "__main__":
    main(sys.argv[1:])
