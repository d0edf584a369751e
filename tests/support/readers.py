"""Clients that read while things break, and remember what they were told, to be judged once everything is known."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.load import Load, client_at
from tests.support.people import Person, list_of, ways_to


class Seen(NamedTuple):
    """What an answer said of a person; no record means that there was none."""

    person: Person
    minimum: int
    position: int
    record: dict[str, Any] | None

    def is_right(self) -> bool:
        """
        Whether it is what the directory held at the position that was told, and not older than was asked.

        It may be newer: while a change is brought to all members of a group, records are ahead of the position.
        """
        if self.position < self.minimum:
            return False
        return any(self.person.shows_in(self.record, state) for state in self.person.part.since(self.position))


@dataclass(slots=True)
class Readers:
    """
    Read people over and over, who must be shown as they were at the position that is told; or be told to come again.

    Those of the load change meanwhile: they are read by their ids, with the position of their last command, without
    which a reader may be told what was before.

    :param settled: people whom nobody changes, visible already: never missing, however they are asked for.
    :param fresh: the share of such reads that ask for that position.
    :param may_be_silent: whether a connection may break; then a reader asks again.
    """

    read_url: str
    seed: int
    load: Load
    settled: Sequence[Person] = ()
    readers: int = 3
    pause: float = 0.1
    transport: httpx.AsyncBaseTransport | None = None
    fresh: float = 1.0
    may_be_silent: bool = False
    are_divided: bool = False
    """Whether there are several partitions at times, of which each has a position of its own."""
    may_fall: bool = False
    """Whether positions may fall at this moment, for Redis has lost data."""
    answers: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Problems that were answered with 503, by type."""
    taken_back: list[str] = field(default_factory=list)
    """Answers of an earlier position than the same client had seen; there are some where Redis has lost data."""
    false: list[str] = field(default_factory=list)
    _seen: list[Seen] = field(default_factory=list)
    _highest: dict[object, int] = field(default_factory=dict)
    _enough: bool = False

    def wrong(self) -> list[str]:
        """What was told and was not so; to be asked when every command of the load has its outcome."""
        return [*self.false, *(repr(each) for each in self._seen if not each.is_right())]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group, client_at(self.read_url, self.transport) as client:
            tasks = [group.create_task(self._run(number, client)) for number in range(self.readers)]
            try:
                yield
            finally:
                self._enough = True
                await asyncio.wait(tasks)

    async def _run(self, number: int, client: httpx.AsyncClient) -> None:
        choose = random.Random(self.seed * 1_000 + number)
        while not self._enough:
            if self.settled and choose.random() < 0.7:
                person = choose.choice(self.settled)
                await self._read(choose.choice(ways_to(person)), person, person.position, client)
            elif self.load.accepted:
                await self._read_changing(choose.choice(self.load.accepted), choose, client)
            await asyncio.sleep(choose.random() * 2 * self.pause)

    async def _read_changing(self, person: Person, choose: random.Random, client: httpx.AsyncClient) -> None:
        minimum = person.position if choose.random() < self.fresh else 0
        asked: dict[str, Any] = {"headers": {"Muster-Min-Position": str(minimum)}}
        batch = {"method": "POST", "json": {"ids": [person.id]}}
        of_person, of_batch, of_list = f"/profiles/{person.id}", "/profiles/batch-get", list_of(person)
        [(path, how)] = choose.choices(((of_person, {}), (of_batch, batch), (of_list, {})), (6, 2, 2))
        await self._read(path, person, minimum, client, **asked, **how)

    async def _read(
        self, path: str, person: Person, minimum: int, client: httpx.AsyncClient, *, method: str = "GET", **asked: Any
    ) -> None:
        try:
            answer = await client.request(method, path, **asked)
        except httpx.TransportError as error:
            if not self.may_be_silent:
                self.false.append(f"{path}: {error!r}")
            return
        self.answers[answer.status_code] += 1
        if answer.status_code in {200, 404}:
            self._note(answer, person, minimum)
        elif answer.status_code == 503 and "Retry-After" in answer.headers:
            self.refusals[answer.json()["type"]] += 1
        else:
            self.false.append(f"{path} {asked}: {answer.status_code} {answer.headers} {answer.text}")

    def _note(self, answer: httpx.Response, person: Person, minimum: int) -> None:
        position = int(answer.headers["Muster-Position"])
        self._compare_positions(answer, person, position)
        told = answer.json()
        found = told.get("found", told.get("items", [told]))
        record = found[0] if found and answer.status_code == 200 else None
        self._seen.append(Seen(person, minimum, position, record))

    def _compare_positions(self, answer: httpx.Response, person: Person, position: int) -> None:
        """Of one client, which asks again only when it was answered; where all is divided, of the same question."""
        reader: object = (asyncio.current_task(), (answer.url, person.id) if self.are_divided else None)
        if self.may_fall:
            self._highest.clear()
            return
        if position < self._highest.get(reader, 0):
            self.taken_back.append(f"{answer.url}: {position} after {self._highest[reader]}")
        self._highest[reader] = position
