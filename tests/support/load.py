"""Clients that change the directory while things break, and remember what they were promised."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import httpx

from tests.support.access import headers_for
from tests.support.directory_model import Refused, State, Timeline, verdict
from tests.support.patience import SECONDS
from tests.support.people import Group, Person, registration

REGISTRATIONS: Mapping[str, int] = {"register": 95, "be_refused": 5}
CHANGES: Mapping[str, int] = {"register": 66, "change": 30, "be_refused": 4}
EVERYTHING: Mapping[str, int] = {
    "register": 22,
    "change": 25,
    "change_status": 8,
    "close": 1,
    "create_group": 3,
    "rename_group": 3,
    "delete_group": 1,
    "add_member": 22,
    "change_role": 5,
    "remove_member": 5,
    "be_refused": 3,
    "expect_another_version": 2,
}
"""What clients send, by how often: what some of it needs, they make first."""

_NUMBERS = itertools.count()
AT_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""When commands are carried out is the server's to say."""


class Hand(NamedTuple):
    """One of the clients: how it asks, by what it chooses, and its part of the directory: nobody else changes that."""

    client: httpx.AsyncClient
    choose: random.Random
    part: Timeline


class Asked(NamedTuple):
    """A command; `expected` is the version that it names in If-Match, if it does."""

    command: str
    fields: Mapping[str, Any]
    expected: int | None = None


class Some:
    """Chooses among what a client's part of the directory has."""

    def __init__(self, now: State, choose: random.Random) -> None:
        self._now = now
        self.one_of = choose.choice

    def account(self) -> str:
        return self.one_of(tuple(self._now.accounts))

    def email(self) -> str:
        return self._now.accounts[self.account()].email

    def group(self) -> str:
        return self.one_of(tuple(self._now.groups))

    def member(self) -> dict[str, str]:
        """Of a group that has any; or one who is not."""
        group, account = self.one_of(tuple(self._now.memberships) or ((self.group(), self.account()),))
        return {"group": group, "account": account}


KINDS: Mapping[str, Callable[[Some, str], Asked]] = {
    "register": lambda _, name: Asked("register-account", registration(name)),
    "be_refused": lambda some, name: Asked("register-account", registration(name) | {"email": some.email()}),
    "change": lambda some, name: some.one_of(
        (
            Asked("change-handle", {"account": some.account(), "handle": f"{name}.Changed"}),
            Asked("change-email", {"account": some.account(), "email": f"{name}@changed.example"}),
            Asked("update-profile", {"account": some.account(), "title": name}),
        )
    ),
    "change_status": lambda some, _: Asked(
        some.one_of(("suspend-account", "reinstate-account")), {"account": some.account()}
    ),
    "close": lambda some, _: Asked("close-account", {"account": some.account()}),
    "create_group": lambda _, name: Asked("create-group", {"slug": name, "name": f"Group {name}"}),
    "rename_group": lambda some, name: Asked("update-group", {"group": some.group(), "name": name}),
    "delete_group": lambda some, _: Asked("delete-group", {"group": some.group()}),
    "add_member": lambda some, name: Asked(
        "add-group-member", {"group": some.group(), "account": some.account(), "role": name}
    ),
    "change_role": lambda some, name: Asked("change-member-role", {**some.member(), "role": name}),
    "remove_member": lambda some, _: Asked("remove-group-member", some.member()),
    "expect_another_version": lambda some, name: Asked(
        "update-profile", {"account": some.account(), "title": name}, expected=1_000_000
    ),
}


@dataclass(slots=True)
class Load:
    """
    Clients that register people and change them, each command under a key until it is known what became of it.

    Some commands must be refused. What is answered against the contract is kept in `false`.

    :param keyed: the share of commands that are sent with an Idempotency-Key.
    :param repeated: the share of those of them that were accepted which are sent once more under their key.
    """

    write_url: str
    seed: int
    clients: int = 4
    """Not more than this, and no faster: what is started again needs the processor, too."""
    commands: int = 5_000
    """At most, by all clients together."""
    kinds: Mapping[str, int] = field(default_factory=lambda: CHANGES)
    keyed: float = 1.0
    repeated: float = 0.03
    pause: float = 0.2
    patience: float = 0.05
    """Seconds between two tries of one client: shorter than Retry-After says, so that tests are short."""
    transports: Sequence[httpx.AsyncBaseTransport | None] = (None,)
    """How requests travel, by clients in turn; None for as usual."""
    accepted: list[Person] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Handles whose registration was refused."""
    groups: list[Group] = field(default_factory=list)
    """All that were created."""
    troubles: Counter[str] = field(default_factory=Counter)
    """Answers that were none or not final, by kind."""
    false: list[str] = field(default_factory=list)
    done: int = 0
    """Commands whose outcome is known."""
    _number: int = field(default_factory=partial(next, _NUMBERS))
    """Of all loads: names and keys of another one with the same seed would be taken on a stack that they share."""
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
        parts = [each.part for each in self.accepted] + [each.part for each in self.groups]
        return max((part.head for part in parts), default=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send commands meanwhile; in the end each has its outcome."""
        async with asyncio.TaskGroup() as group, AsyncExitStack() as opened:
            ways = [await opened.enter_async_context(client_at(self.write_url, each)) for each in self.transports]
            tasks = [group.create_task(self._run(number, ways[number % len(ways)])) for number in range(self.clients)]
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

    async def under_way(self) -> None:
        """Return as a command is sent while another is with the server."""
        async with asyncio.timeout(SECONDS):
            while self._sending < 2:
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
        hand = Hand(client, random.Random(self.seed * 1_000 + number), Timeline())
        while self._started < self.commands and not self._enough:
            await self._may_send.wait()
            self._started += 1
            self._sending += 1
            self._notify()
            await self._send_one(f"p{self.seed}.{self._number}.{number}.{self._started}", hand)
            self._sending -= 1
            self.done += 1
            self._notify()
            await asyncio.sleep(hand.choose.random() * 2 * self.pause)

    def _notify(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def register(self, name: str, client: httpx.AsyncClient) -> Person:
        """Register another person, whom no client changes."""
        hand = _hand(name, client)
        await self._ask("register", name, hand)
        [id_] = hand.part.now.accounts
        return Person(id_, hand.part)

    async def create_group(self, name: str, client: httpx.AsyncClient) -> Group:
        """Have a group more, which no client changes."""
        hand = _hand(name, client)
        await self._ask("create_group", name, hand)
        [id_] = hand.part.now.groups
        return Group(id_, hand.part)

    async def send(self, command: str, body: dict[str, str], key: str, client: httpx.AsyncClient) -> int:
        """Send a command until its outcome is known; gives the status, for the caller to keep in mind."""
        answer = await self._final(command, body, {"Idempotency-Key": key}, client)
        return answer.status_code

    async def suspend(self, person: Person, client: httpx.AsyncClient) -> None:
        """Suspend a person whom no client changes."""
        key = f"suspend:{person.id}"
        hand = _hand(key, client)._replace(part=person.part)
        await self._send(Asked("suspend-account", {"account": person.id}), key, hand)

    async def _send_one(self, name: str, hand: Hand) -> None:
        [kind] = hand.choose.choices(tuple(self.kinds), tuple(self.kinds.values()))
        if len(hand.part.now.accounts) < 2:
            kind = "register"
        elif not hand.part.now.groups and "create_group" in self.kinds:
            kind = "create_group"
        await self._ask(kind, name, hand)

    async def _ask(self, kind: str, name: str, hand: Hand) -> None:
        await self._send(KINDS[kind](Some(hand.part.now, hand.choose), name), name, hand)

    async def _send(self, asked: Asked, key: str, hand: Hand) -> None:
        """Hold the answer to a command against the model, which goes on from there."""
        command, fields, expected = asked
        due = verdict(hand.part.now, command, fields, at=AT_ANY_TIME, expected=expected)
        headers = {} if expected is None else {"If-Match": f'"{expected}"'}
        answer = await self._outcome(command, fields, key, hand, **headers)
        told = answer.json()
        if isinstance(due, Refused):
            problem = told.get("type", "").removeprefix("/problems/")
            self._is_as_promised(answer, answer.status_code != 200 and problem in due.problems)
            self.refused += [fields["handle"]] if command == "register-account" else []
        elif self._is_as_promised(answer, answer.status_code == 200 and told["version"] == due.version):
            hand.part.go_on(due.then(told["id"]), position=told["position"])
            self.accepted += [Person(told["id"], hand.part)] if command == "register-account" else []
            self.groups += [Group(told["id"], hand.part)] if command == "create-group" else []

    async def _outcome(self, command: str, body: Mapping[str, Any], name: str, hand: Hand, **headers: str) -> Any:
        """Of a command; now and then one that was accepted is sent once more under its key."""
        if hand.choose.random() >= self.keyed:
            return await self._final(command, body, headers, hand.client)
        headers["Idempotency-Key"] = name
        first = await self._final(command, body, headers, hand.client)
        if first.status_code == 200 and hand.choose.random() < self.repeated:
            again = await self._final(command, body, headers, hand.client)
            same = again.status_code == 200 and again.json() == first.json()
            self._is_as_promised(again, same and "Idempotency-Replayed" in again.headers)
        return first

    async def _final(self, command: str, body: Any, headers: dict[str, str], client: httpx.AsyncClient) -> Any:
        """Send the same request until its outcome is known; without a key only where nothing was stored for certain."""
        async with asyncio.timeout(SECONDS):
            while (answer := await self._asked(command, body, headers, client)) is None:  # noqa: ASYNC110 - no event tells
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

    def _is_as_promised(self, answer: httpx.Response, holds: object) -> bool:
        if not holds:
            sent = answer.request.content.decode()
            self.false.append(f"{answer.request.url.path} {sent}: {answer.status_code} {answer.text}")
        return bool(holds)


def client_at(url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """One that is let in; it travels as usual where nothing is said."""
    return httpx.AsyncClient(
        base_url=url, headers=headers_for(url), timeout=SECONDS, trust_env=False, transport=transport
    )


def _hand(name: str, client: httpx.AsyncClient) -> Hand:
    """One that has nothing of its own yet."""
    return Hand(client, random.Random(name), Timeline())
