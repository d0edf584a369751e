"""Sends chunks of commands, strictly in order, and again until each line has an answer that will stay."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import httpx
import msgspec

from shared.cli.api_client import not_let_in
from shared.cli.exit_codes import CommandFailed
from shared.client.lines import MAX_LINE_BYTES, Chunk, Line
from shared.lines import LineSplitter
from shared.runtime.retry import Backoff, RetryPolicy

PATH = "/commands"
NDJSON = "application/x-ndjson"

TIMEOUT = httpx.Timeout(10.0, read=30.0)
"""The write API tries for some 20 seconds before it gives a line up."""

_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TRY_AGAIN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """How long commands are sent again, in seconds."""

    patience: float = 60.0
    """To go on for although no line is done."""
    first_wait: float = 0.1
    longest_wait: float = 2.0
    """Each wait is twice as long as the one before, until it is so long."""


class WrongField(msgspec.Struct, frozen=True):
    pointer: str
    detail: str


class LineResult(msgspec.Struct, frozen=True):
    """The write API's answer to a line, or to a request that it refuses whole."""

    status: int
    line: int = 0
    position: int = 0
    replayed: bool = False
    type: str = ""
    title: str = ""
    detail: str = ""
    errors: tuple[WrongField, ...] = ()

    @property
    def problem(self) -> str:
        """Return the name of its problem."""
        return self.type.rpartition("/")[2]


class GaveUp(CommandFailed):
    """Nothing more can be sent; the text says why and what to do."""


class SendObserver(Protocol):
    """Takes note of what becomes of the lines."""

    def done(self, line: Line, answer: LineResult) -> None:
        """The line has the answer that it will always have: it took effect, once, or never will as it is."""

    def waiting(self, why: str) -> None:
        """Nothing can be sent for the moment."""


class _SendAgain(Exception):
    """The lines without an answer are to be sent again; their keys keep them from taking effect twice."""

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


TOO_LONG = LineResult(
    413, title="The line is too long", detail=f"A line is at most {MAX_LINE_BYTES} bytes, its idempotency key included"
)

_decode_line = msgspec.json.Decoder(LineResult).decode


class Sender:
    """
    Posts commands to one write API.

    :param client: of the write API.
    :param clock: seconds that only ever grow.
    """

    def __init__(
        self,
        *,
        client: httpx.Client,
        observer: SendObserver,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        limits: SenderLimits | None = None,
    ) -> None:
        self._client = client
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._limits = limits or SenderLimits()
        self._waits = Backoff(RetryPolicy(first=self._limits.first_wait, longest=self._limits.longest_wait))
        self._progress_at = 0.0

    def send(self, chunk: Chunk) -> None:
        """
        Return once every line is done, one after the other.

        The next chunk may rely on this one, so there is never more than one request under way.

        :raises GaveUp: no line was done for as long as patience lasts, or what answers will never take one.
        """
        self._progress_at = self._clock()
        remaining = deque(chunk)
        while remaining:
            try:
                self._take_results(remaining)
            except _SendAgain as reason:
                if remaining:
                    self._wait_a_little(reason, number=remaining[0].number)

    def _take_results(self, remaining: deque[Line]) -> None:
        with closing(self._answers([line.body for line in remaining if line.body is not None])) as answers:
            while remaining:
                answer = TOO_LONG if remaining[0].body is None else next(answers, None)
                if answer is None:
                    raise _SendAgain("the answer ended too early")
                if answer.status in _TRY_AGAIN:
                    raise _SendAgain(_said(answer))
                self._progress_at = self._clock()
                self._waits.reset()
                self._observer.done(remaining.popleft(), answer)
            next(answers, None)  # to its very end, or the connection could not be used again

    def _answers(self, bodies: list[bytes]) -> Generator[LineResult]:
        if not bodies:
            return
        headers = {"Content-Type": NDJSON, "Accept": NDJSON}
        try:
            with self._client.stream("POST", PATH, content=b"\n".join(bodies), headers=headers) as response:
                self._require_taken(response)
                # Not `iter_lines`: it also ends lines where a text has U+2028 or U+0085.
                for number, line in enumerate(_lines(response.iter_bytes()), start=1):
                    yield self._decoded(line, number)
        except httpx.TransportError as error:
            raise _SendAgain(f"{type(error).__name__}: {error}") from error

    def _require_taken(self, response: httpx.Response) -> None:
        if response.status_code == HTTPStatus.OK:
            return
        answer = _refusal(response)
        if response.status_code in _TRY_AGAIN:
            raise _SendAgain(_said(answer), retry_after=_seconds(response.headers.get("retry-after", "")))
        if response.status_code in _NOT_LET_IN:
            raise GaveUp(str(not_let_in(response)))
        raise GaveUp(f"{self._url} answers {_said(answer)}: see that this is the address of Muster's write API")

    def _decoded(self, line: bytes, number: int) -> LineResult:
        try:
            answer = _decode_line(line)
        except msgspec.DecodeError as error:
            raise GaveUp(f"{self._url} does not answer as a write API does ({error}): is it one?") from error
        if answer.line != number:
            raise GaveUp(f"{self._url} answered line {answer.line} of a request where line {number} was due")
        return answer

    def _wait_a_little(self, reason: _SendAgain, *, number: int) -> None:
        seconds = max(self._waits.next(), reason.retry_after)
        waited = self._clock() - self._progress_at
        if waited + seconds > self._limits.patience:
            raise GaveUp(
                f"{self._url} has taken nothing from line {number} on for {waited:.0f} s ({reason}): see that the "
                "write API and its database run, then run this again; what was applied is not applied twice"
            )
        self._observer.waiting(str(reason))
        self._sleep(seconds)

    @property
    def _url(self) -> str:
        return f"{str(self._client.base_url).rstrip('/')}{PATH}"


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    splitter = LineSplitter()
    for block in blocks:
        yield from (line.text or b"" for line in splitter.feed(block))
    if any(splitter.end()):
        raise _SendAgain("the answer ended in the middle of a line")


def _refusal(response: httpx.Response) -> LineResult:
    """Why the whole request was refused; a proxy may say so in another form than ours."""
    try:
        problem = _decode_line(response.read())
    except msgspec.DecodeError:
        return LineResult(response.status_code, title=response.reason_phrase)
    return msgspec.structs.replace(problem, status=response.status_code)


def _said(answer: LineResult) -> str:
    return f"{answer.status} {answer.title}{f' ({answer.problem})' if answer.problem else ''}"


def _seconds(retry_after: str) -> float:
    """It may also be a date (RFC 9110, section 10.2.3); then we wait as long as we would without it."""
    return float(retry_after) if retry_after.isdecimal() else 0.0
