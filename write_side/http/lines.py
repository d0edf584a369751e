"""The lines of a stream: cut, read as invocations, and answered."""

from collections.abc import AsyncIterable, AsyncIterator

from litestar.types import Scope
from msgspec import UNSET

from shared.http.middleware.auth import wait_for_rate_limit
from shared.lines import LineSplitter
from shared.problems import Refusal
from write_side.execution.endings import Ending, StreamedAnswer
from write_side.execution.invocation import Invocation
from write_side.execution.messages import MAX_MESSAGE_BYTES, read_message
from write_side.execution.observation import Observation
from write_side.http.requests import HttpChannel, invocation_of
from write_side.ports import Place

CHANNEL = HttpChannel("stream", is_bulk=True, route="/commands")


class AnsweredLine(StreamedAnswer, frozen=True, kw_only=True):
    line: int


class NumberedLine:
    """A line of a request, and whether the caller's rate has allowed it."""

    def __init__(self, number: int, text: bytes | None) -> None:
        self.number = number
        self.text = text
        self._is_allowed = False

    def size(self) -> int:
        return len(self.text or b"")

    async def take_from_rate(self, scope: Scope) -> None:
        if not self._is_allowed:
            await wait_for_rate_limit(scope)
            self._is_allowed = True


def read_line(line: bytes | None, *, scope: Scope, place: Place, observation: Observation) -> Invocation:
    """:raises Refusal: as `read_message` says."""
    return invocation_of(read_message(line, note=observation.is_of), scope=scope, channel=CHANNEL, place=place)


def answered(number: int, ending: Ending) -> AnsweredLine:
    """Answer a line with how its command ended."""
    return AnsweredLine.of(ending, line=number, detail=ending.detail if isinstance(ending, Refusal) else UNSET)


async def numbered(lines: AsyncIterable[bytes | None]) -> AsyncIterator[NumberedLine]:
    """Leave out lines of blanks, but count them."""
    number = 0
    async for text in lines:
        number += 1
        if text is None or text.strip():
            yield NumberedLine(number, text)


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes | None]:
    """Give lines without their ends; None stands for one that is too long."""
    splitter = LineSplitter(limit=MAX_MESSAGE_BYTES)
    async for chunk in chunks:
        for line in splitter.feed(chunk):
            yield line.text
    for line in splitter.end():
        yield line.text
