"""
The process that fills a range of a generation for a projector: `python -m projector.cli.fill PART PARTITIONS ORDER`.

Its standard output is for that projector alone, which says on its standard input when it may go on, and when it may
write.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import BinaryIO

import msgspec
import structlog

from projector.adapters.processes.protocol import Ended, Said, Waiting, Worked, Wrote, encode, failed
from projector.processing.filling import Piece, RangeOrder, RangeOutcome
from projector.services import range_filler_on
from shared.observability import logging as telemetry
from shared.read_model.partitions import Partitions
from shared.read_model.positions import Checkpoint
from shared.settings import Settings

log = structlog.get_logger()


class Conversation:
    """The projector that is told of each piece of work."""

    def __init__(self, hears: BinaryIO, says: BinaryIO) -> None:
        self._hears = hears
        self._says = says
        self._is_awaited = False

    def say(self, said: Said) -> None:
        self._says.write(encode(said) + b"\n")
        self._says.flush()

    async def report(self, piece: Piece) -> None:
        """Say what was done, once what was said before is answered: one piece is under way meanwhile."""
        self._wait()
        self.say(Worked(*piece))
        self._is_awaited = True

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Checkpoint]:
        """See `Turn`."""
        self._wait()
        self.say(Waiting())
        yield msgspec.json.decode(self._answer(), type=Checkpoint)
        self.say(Wrote())

    def _wait(self) -> None:
        if self._is_awaited:
            self._answer()
            self._is_awaited = False

    def _answer(self) -> bytes:
        return self._hears.readline() or sys.exit("the projector has ended")


def main(arguments: Sequence[str]) -> None:
    label, count, order = arguments
    part = label, Partitions(int(count))
    settings = Settings.here()
    telemetry.configure(settings.log_format)
    conversation = Conversation(sys.stdin.buffer, sys.stdout.buffer)
    gc.freeze()
    gc.disable()  # records are kept by the hundred thousand, and in no circles
    try:
        outcome = asyncio.run(_fill(part, msgspec.json.decode(order, type=RangeOrder), settings, conversation))
    except Exception as error:
        said = failed(error)
        if not said.kind:
            log.critical("the filling of a generation has ended with a defect", exc_info=error)
        conversation.say(said)
    else:
        conversation.say(Ended(outcome))


async def _fill(
    part: tuple[str, Partitions], order: RangeOrder, settings: Settings, conversation: Conversation
) -> RangeOutcome:
    async with range_filler_on(*part, settings) as filler:
        return await filler.fill(order, turn=conversation.turn, report=conversation.report)


if __name__ == "__main__":
    main(sys.argv[1:])
