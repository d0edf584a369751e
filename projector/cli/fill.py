"""
The process that fills one generation for a projector: `python -m projector.cli.fill PROJECTION GENERATION VERSION`.

Its standard output is for that projector alone, which says on its standard input when it may go on.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

import structlog

from projector.adapters.processes.protocol import Ended, Said, Worked, encode, failed
from projector.processing.filling import Piece
from projector.services import filler_on
from shared.observability import logging as telemetry
from shared.read_model.positions import Pointer
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
        if self._is_awaited and not self._hears.readline():
            sys.exit("the projector has ended")
        self.say(Worked(piece.events, piece.seconds))
        self._is_awaited = True


def main(arguments: Sequence[str]) -> None:
    projection, generation, version = arguments
    settings = Settings.load(os.environ).with_addresses()
    telemetry.configure(settings.log_format)
    conversation = Conversation(sys.stdin.buffer, sys.stdout.buffer)
    gc.freeze()
    gc.disable()  # records are kept by the hundred thousand, and in no circles
    try:
        pointer = Pointer(generation, int(version))
        is_filled = asyncio.run(_fill(projection, pointer, settings, conversation))
    except Exception as error:
        said = failed(error)
        if not said.kind:
            log.critical("the filling of a generation has ended with a defect", exc_info=error)
        conversation.say(said)
    else:
        conversation.say(Ended(is_filled))


async def _fill(projection: str, pointer: Pointer, settings: Settings, conversation: Conversation) -> bool:
    async with filler_on(projection, settings) as filler:
        return await filler.fill(pointer, report=conversation.report)


if __name__ == "__main__":
    main(sys.argv[1:])
