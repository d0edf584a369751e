"""Readers who remember what they were told, so that it can be judged once everything is known."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.load import Readers
from tests.support.people import Person, shows


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
        before = [told for position, told in self.person.past if position <= self.position]
        if self.record is None:
            return not before
        record = self.record
        later = [told for position, told in self.person.past if position > self.position]
        return any(shows(record, told) for told in (*before[-1:], *later))


@dataclass
class Witnesses(Readers):
    """
    Read people of the load by their ids: those who change, some with the position of their last command.

    A reader who is not answered asks again. That a position falls is noted unless Redis was made to lose something.
    """

    seen: list[Seen] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    may_fall: bool = False
    """Whether positions may fall at this moment, for Redis has lost data."""

    def wrong(self) -> list[str]:
        """What was told and was not so; to be asked when every command of the load has its outcome."""
        return [*self.taken_back, *self.false, *(repr(each) for each in self.seen if not each.is_right())]

    async def _run_once(self, choose: random.Random, client: httpx.AsyncClient) -> None:
        if not self.load.accepted:
            return
        person = choose.choice(self.load.accepted)
        minimum = person.position if choose.random() < 0.5 else 0
        if choose.random() < 0.2:
            await self._look_up(person, minimum, client)
        else:
            await self._witness("GET", f"/profiles/{person.id}", person, minimum, client)

    async def _look_up(self, person: Person, minimum: int, client: httpx.AsyncClient) -> None:
        await self._witness("POST", "/profiles/batch-get", person, minimum, client, json={"ids": [person.id]})

    async def _witness(
        self, method: str, path: str, person: Person, minimum: int, client: httpx.AsyncClient, **sent: Any
    ) -> None:
        headers = {"Muster-Min-Position": str(minimum)}
        try:
            answer = await client.request(method, path, headers=headers, **sent)
        except httpx.TransportError:
            self.troubles["no answer"] += 1
            await asyncio.sleep(self.load.patience)
            return
        self.answers[answer.status_code] += 1
        if answer.status_code in {200, 404}:
            self._note(answer, person, minimum)
        elif answer.status_code != 503 or "Retry-After" not in answer.headers:
            self.false.append(f"{path}: {answer.status_code} {answer.text}")

    def _note(self, answer: httpx.Response, person: Person, minimum: int) -> None:
        self._compare_positions(answer)
        position = int(answer.headers["Muster-Position"])
        self.seen.append(Seen(person, minimum, position, _record(answer)))

    def _compare_positions(self, answer: httpx.Response) -> None:
        if self.may_fall:
            self._highest.clear()
        else:
            super()._compare_positions(answer)


def _record(answer: httpx.Response) -> dict[str, Any] | None:
    told = answer.json()
    found: list[dict[str, Any]] = told.get("found", [told])
    return found[0] if found and answer.status_code == 200 else None
