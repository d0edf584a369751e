"""Erasing a person, and looking everywhere for what may be left."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar
from uuid import UUID

from projector.audit.erasure.report import Findings, Proof
from projector.audit.erasure.search import Search, values_of
from projector.store.generations import Survey
from projector.store.ports import ReadModel
from shared.runtime.progress import Progress

PATIENCE_SECONDS = 60.0
"""For all generations to come to the erasure, and for those that leave to be removed."""
LOOK_AGAIN_SECONDS = 0.2
PORTION = 1_000
"""Lines of a log that are looked at together."""

T = TypeVar("T", bound=Sized)

Erase = Callable[[UUID], Awaitable[int]]
"""Has an account erased, and gives the position that reflects it."""


class NobodyToErase(Exception):
    """No account ever had the id."""


class Traces(Protocol):
    """What the database has of people; everything raises `Unavailable`."""

    async def require_readable(self) -> None: ...

    async def erasure(self, account_id: UUID) -> tuple[int | None, int]: ...

    async def told_of(self, account_id: UUID) -> Sequence[Mapping[str, Any]]: ...

    def told_of_others(self, account_id: UUID) -> AsyncIterator[Sequence[str]]: ...

    def texts(self) -> AsyncIterator[tuple[str, Sequence[str]]]: ...

    def named(self, account_id: UUID) -> AsyncIterator[tuple[str, int]]: ...


class Held(Protocol):
    """What the read models' server has; everything raises `Unavailable`."""

    async def require_readable(self) -> None: ...

    def everything(self) -> AsyncIterator[tuple[str, Sequence[bytes]]]: ...


class Proving:
    """
    Erases and proves.

    Once the person is erased it is unknown what to look for, so their values are taken from the log before.

    :param models: of all projections, by name.
    :param logs: the files that the processes write.
    :param progress: is told what is being done, and how many texts were read.
    """

    def __init__(
        self,
        *,
        traces: Traces,
        held: Held,
        models: Mapping[str, ReadModel],
        logs: Iterable[Path],
        erase: Erase,
        progress: Progress,
    ) -> None:
        self._traces = traces
        self._held = held
        self._models = models
        self._logs = logs
        self._erase = erase
        self._progress = progress
        self._read = 0

    async def prove(self, account_id: UUID) -> Proof:
        """
        Erase, unless that was done before, and look everywhere.

        :raises NobodyToErase: there never was such an account.
        """
        # First: once the person is erased it is too late to find out that we may not look for what is left.
        await self._traces.require_readable()
        await self._held.require_readable()
        before, events = await self._traces.erasure(account_id)
        if not events:
            raise NobodyToErase(f"no account ever had the id {account_id}")
        search = Search(()) if before else await self._search(account_id)
        position = before or await self._erase(account_id)
        self._progress.say(f"erased at position {position}; waiting for all generations to come there")
        behind = await self._behind(position)
        self._progress.say(f"looking for {search.size} values and for the id")
        findings = Findings(search)
        await self._look_at_postgres(account_id, findings)
        await self._look_at_redis(account_id, findings)
        self._look_at_logs(findings)
        return Proof(
            account_id=str(account_id),
            position=position,
            erased="before" if before else "now",
            sought=search.size,
            left_out=search.left_out,
            behind=behind,
            places=findings.places,
        )

    async def _search(self, account_id: UUID) -> Search:
        """What to look for; anew if more was told of the person meanwhile, for reading the log takes minutes."""
        told = values_of(await self._traces.told_of(account_id))
        while True:
            search, known = Search(told), told
            self._progress.say(f"{search.size} values to look for; leaving out what others have too")
            await search.leave_out_what_is_in(self._told_of_others(account_id))
            if (told := values_of(await self._traces.told_of(account_id))) == known:
                return search

    async def _behind(self, position: int) -> list[str]:
        """Wait for all generations, and name those that have not come far enough."""
        until = monotonic() + PATIENCE_SECONDS
        while (behind := [each async for each in self._not_there(position)]) and monotonic() < until:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return behind

    async def _not_there(self, position: int) -> AsyncIterator[str]:
        for projection, model in self._models.items():
            for each in _behind(await model.survey(), position):
                yield f"{projection} {each}"

    async def _told_of_others(self, account_id: UUID) -> AsyncIterator[Sequence[str]]:
        async for texts in self._traces.told_of_others(account_id):
            yield self._counted(texts)

    async def _look_at_postgres(self, account_id: UUID, findings: Findings) -> None:
        async for place, texts in self._traces.texts():
            findings.look_at(f"postgresql {place}", self._counted(texts))
        async for place, found in self._traces.named(account_id):
            findings.count(f"postgresql {place}", checked=1, found=found, what=["account id"])
        left = await self._traces.told_of(account_id)
        findings.count("postgresql events not redacted", checked=1, found=len(left), what=["event"])

    async def _look_at_redis(self, account_id: UUID, findings: Findings) -> None:
        async for key, entries in self._held.everything():
            texts = [each.decode("utf-8", "replace") for each in self._counted(entries)]
            # What is parked names documents by id, and what it was before is kept for one more commit.
            naming = () if key.endswith(":parked") else _naming(account_id, entries)
            findings.look_at(f"redis {key}", texts, naming=naming)

    def _look_at_logs(self, findings: Findings) -> None:
        for path in self._logs:
            for lines in _lines(path):
                findings.look_at(f"log {path.name}", self._counted(lines))

    def _counted(self, portion: T) -> T:
        """The same, having told how much was read."""
        self._read += len(portion)
        self._progress.show(self._read)
        return portion


def _behind(survey: Survey, position: int) -> Iterator[str]:
    for pointer in survey.fed:
        checkpoint = survey.at(pointer).checkpoint
        if checkpoint is None or checkpoint.position < position or checkpoint.fan_outs:
            yield pointer.generation
    yield from (each.pointer.generation for each in survey.roster.leaving)


def _naming(account_id: UUID, entries: Sequence[bytes]) -> list[int]:
    """Which of them have the id in one of the forms that it is written in."""
    text, raw = str(account_id).encode(), account_id.bytes
    return [nth for nth, entry in enumerate(entries) if text in entry or raw in entry]


def _lines(path: Path) -> Iterator[Sequence[str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        while lines := list(islice(file, PORTION)):
            yield lines
