"""Clients that change the directory while things break, and remember what they were promised."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.access import headers_for
from tests.support.patience import SECONDS
from tests.support.people import Group, Person, registration, ways_to


class Hand(NamedTuple):
    """One of the clients: how it asks, by what it chooses, and what is its own."""

    client: httpx.AsyncClient
    choose: random.Random
    people: list[Person]
    groups: list[Group]


@dataclass(slots=True)
class Load:
    """
    Clients that register people and change them, each command under a key until it is known what became of it.

    Some commands must be refused. What is answered against the contract is kept in `false`.

    :param keyed: the share of commands that are sent with an Idempotency-Key.
    """

    write_url: str
    seed: int
    clients: int = 6
    commands: int = 5_000
    """At most, by all clients together."""
    changes: float = 0.3
    """The share of commands that change a person, of those that come after the first."""
    keyed: float = 1.0
    pause: float = 0.02
    patience: float = 0.05
    """Seconds between two tries of one client: shorter than Retry-After says, so that tests are short."""
    transport: httpx.AsyncBaseTransport | None = None
    """How requests travel, if not as usual."""
    accepted: list[Person] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Handles whose registration was refused."""
    troubles: Counter[str] = field(default_factory=Counter)
    """Answers that were none or not final, by kind."""
    false: list[str] = field(default_factory=list)
    done: int = 0
    """Commands whose outcome is known."""
    _started: int = 0
    _sending: int = 0
    _enough: bool = False
    _may_send: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._may_send.set()

    @property
    def position(self) -> int:
        """The highest that was answered."""
        return max((person.position for person in self.accepted), default=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send commands meanwhile; in the end each has its outcome."""
        async with asyncio.TaskGroup() as group, _client(self.write_url, self.transport) as client:
            tasks = [group.create_task(self._run(number, client)) for number in range(self.clients)]
            try:
                yield
            finally:
                self._enough = True
                await asyncio.wait(tasks)

    async def run(self) -> None:
        """Send all commands."""
        async with self.running():
            await self.grown(by=self.commands)

    async def grown(self, *, by: int) -> None:
        """Return once so many more commands have their outcome."""
        wanted = min(self.done + by, self.commands)
        async with asyncio.timeout(SECONDS):
            while self.done < wanted:
                await self._moved.wait()

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Every command that was sent has its outcome, and none is sent meanwhile."""
        self._may_send.clear()
        while self._sending:
            await self._moved.wait()
        try:
            yield
        finally:
            self._may_send.set()

    async def _run(self, number: int, client: httpx.AsyncClient) -> None:
        hand = Hand(client, random.Random(self.seed * 1_000 + number), [], [])
        while self._started < self.commands and not self._enough:
            await self._may_send.wait()
            self._started += 1
            self._sending += 1
            await self._send_one(f"p{self.seed}.{number}.{self._started}", hand)
            self._sending -= 1
            self.done += 1
            self._moved.set()
            self._moved = asyncio.Event()
            await asyncio.sleep(hand.choose.random() * 2 * self.pause)

    async def _send_one(self, name: str, hand: Hand) -> None:
        key = name if hand.choose.random() < self.keyed else None
        if hand.people and hand.choose.random() < self.changes:
            await self._change(hand.choose.choice(hand.people), name, key, hand)
        elif hand.people and hand.choose.random() < 0.05:
            await self._be_refused(name, key, hand)
        else:
            await self._register(name, key, hand)

    async def _register(self, name: str, key: str | None, hand: Hand) -> None:
        body = registration(name)
        answer = await self._outcome("register-account", body, key, hand)
        if self._is_version(answer, 1):
            person = Person(id=answer.json()["id"], position=answer.json()["position"], **body)
            hand.people.append(person)
            self.accepted.append(person)

    async def _change(self, person: Person, name: str, key: str | None, hand: Hand) -> None:
        command, change, version = hand.choose.choice(
            (
                ("change-handle", {"handle": f"{name}.Changed"}, "version"),
                ("change-email", {"email": f"{name}@changed.example"}, "version"),
                ("update-profile", {"title": name}, "profile_version"),
            )
        )
        answer = await self._outcome(command, {"account": person.id, **change}, key, hand)
        reached = getattr(person, version) + 1
        if self._is_version(answer, reached):
            person.become(position=answer.json()["position"], **change, **{version: reached})

    async def _be_refused(self, name: str, key: str | None, hand: Hand) -> None:
        """Ask for an address that is taken."""
        taken = {"email": hand.choose.choice(hand.people).email}
        answer = await self._outcome("register-account", registration(name) | taken, key, hand)
        self.refused.append(name)
        self._is_as_promised(answer, is_problem(answer, 409, "email-taken"))

    async def _outcome(self, command: str, body: dict[str, Any], key: str | None, hand: Hand, **headers: str) -> Any:
        """Send the same request until its outcome is known; without a key only where nothing was stored for certain."""
        headers |= {"Idempotency-Key": key} if key else {}
        async with asyncio.timeout(SECONDS):
            while (answer := await self._asked(command, body, headers, hand.client)) is None:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(self.patience)
            return answer

    async def _asked(self, command: str, body: Any, headers: dict[str, str], client: httpx.AsyncClient) -> Any:
        """The answer, None if the same request has to be sent again."""
        try:
            answer = await client.post(f"/commands/{command}", json=body, headers=headers)
        except httpx.TransportError:
            self.troubles["no answer"] += 1
            assert "Idempotency-Key" in headers, "without a key nobody can tell what became of it"
            return None
        if answer.status_code != 503:
            return answer
        problem = answer.json()["type"]
        self.troubles[problem] += 1
        self._is_as_promised(answer, "Retry-After" in answer.headers)
        self._is_as_promised(answer, "Idempotency-Key" in headers or problem != "/problems/outcome-unknown")
        return None

    def _is_version(self, answer: httpx.Response, version: int) -> bool:
        """Whether it is the success that was to be expected."""
        return self._is_as_promised(answer, answer.status_code == 200 and answer.json()["version"] == version)

    def _is_as_promised(self, answer: httpx.Response, holds: object) -> bool:
        if not holds:
            sent = answer.request.content.decode()
            self.false.append(f"{answer.request.url.path} {sent}: {answer.status_code} {answer.text}")
        return bool(holds)


def _client(url: str, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    """One that is let in; it travels as usual where nothing is said."""
    return httpx.AsyncClient(
        base_url=url, headers=headers_for(url), timeout=SECONDS, trust_env=False, transport=transport
    )


def is_problem(answer: httpx.Response, status: int, name: str) -> bool:
    return answer.status_code == status and answer.json()["type"] == f"/problems/{name}"


@dataclass(slots=True)
class Readers:
    """
    Read people over and over who are known to be there: found or 503, but never 404.

    The settled are asked for as anybody would; the others of the load with the position of their last command, without
    which a reader may be told what was before.

    :param settled: people whom nobody changes, visible already.
    """

    read_url: str
    seed: int
    settled: list[Person]
    load: Load
    readers: int = 3
    pause: float = 0.01
    transport: httpx.AsyncBaseTransport | None = None
    answers: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Problems that were answered with 503, by type."""
    taken_back: list[str] = field(default_factory=list)
    """Answers of an earlier position than the same client had seen; there are some where Redis has lost data."""
    false: list[str] = field(default_factory=list)
    _highest: dict[object, int] = field(default_factory=dict)
    _enough: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group, _client(self.read_url, self.transport) as client:
            tasks = [group.create_task(self._run(number, client)) for number in range(self.readers)]
            try:
                yield
            finally:
                self._enough = True
                await asyncio.wait(tasks)

    async def _run(self, number: int, client: httpx.AsyncClient) -> None:
        choose = random.Random(self.seed * 1_000 + number)
        while not self._enough:
            await self._run_once(choose, client)
            await asyncio.sleep(choose.random() * 2 * self.pause)

    async def _run_once(self, choose: random.Random, client: httpx.AsyncClient) -> None:
        if self.load.accepted and choose.random() < 0.3:
            await self._read_fresh(choose.choice(self.load.accepted), client)
        else:
            await self._read_settled(choose.choice(self.settled), choose, client)

    async def _read_settled(self, person: Person, choose: random.Random, client: httpx.AsyncClient) -> None:
        path = choose.choice(ways_to(person))
        await self._read(path, person.id, {}, client)

    async def _read_fresh(self, person: Person, client: httpx.AsyncClient) -> None:
        await self._read(f"/profiles/{person.id}", person.id, {"Muster-Min-Position": str(person.position)}, client)

    async def _read(self, path: str, account_id: str, headers: dict[str, str], client: httpx.AsyncClient) -> None:
        try:
            answer = await client.get(path, headers=headers)
        except httpx.TransportError as error:
            self.false.append(f"{path}: {error!r}")
            return
        self.answers[answer.status_code] += 1
        self._compare_positions(answer)
        if not self._is_right(answer, account_id):
            self.false.append(f"{path} {headers}: {answer.status_code} {answer.headers} {answer.text}")

    def _compare_positions(self, answer: httpx.Response) -> None:
        """Of one client, which asks again only when it was answered."""
        position, reader = int(answer.headers.get("Muster-Position", 0)), asyncio.current_task()
        if answer.status_code == 200:
            if position < self._highest.get(reader, 0):
                self.taken_back.append(f"{answer.url}: {position} after {self._highest[reader]}")
            self._highest[reader] = position

    def _is_right(self, answer: httpx.Response, account_id: str) -> bool:
        if answer.status_code == 503:
            self.refusals[answer.json()["type"]] += 1
            return "Retry-After" in answer.headers
        return answer.status_code == 200 and answer.json()["account_id"] == account_id
