"""Clients that change the directory while things break, and remember what they were promised."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.access import headers_for
from tests.support.patience import SECONDS
from tests.support.people import Group, Member, Person, registration

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

REPEATED = 0.03
"""The share of accepted commands that are sent once more under their key."""


class Hand(NamedTuple):
    """One of the clients: how it asks, by what it chooses, and what is its own: nobody else changes that."""

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
    kinds: Mapping[str, int] = field(default_factory=lambda: CHANGES)
    keyed: float = 1.0
    pause: float = 0.02
    patience: float = 0.05
    """Seconds between two tries of one client: shorter than Retry-After says, so that tests are short."""
    transport: httpx.AsyncBaseTransport | None = None
    """How requests travel, if not as usual."""
    accepted: list[Person] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Handles whose registration was refused."""
    groups: list[Group] = field(default_factory=list)
    deleted: list[Group] = field(default_factory=list)
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
        changed: tuple[Person | Group, ...] = (*self.accepted, *self.groups, *self.deleted)
        return max((each.position for each in changed), default=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send commands meanwhile; in the end each has its outcome."""
        async with asyncio.TaskGroup() as group, client_at(self.write_url, self.transport) as client:
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

    async def register(self, name: str, client: httpx.AsyncClient) -> Person:
        """Register another person, whom no client changes."""
        hand = _hand(name, client)
        await self._register(name, hand)
        return hand.people[0]

    async def create_group(self, name: str, client: httpx.AsyncClient) -> Group:
        """Have a group more, which no client changes."""
        hand = _hand(name, client)
        await self._create_group(name, hand)
        return hand.groups[0]

    async def send(self, command: str, body: dict[str, str], key: str, client: httpx.AsyncClient) -> int:
        """Send a command until its outcome is known; gives the status, for the caller to keep in mind."""
        answer = await self._final(command, body, {"Idempotency-Key": key}, client)
        return answer.status_code

    async def suspend(self, person: Person, client: httpx.AsyncClient) -> None:
        """Suspend a person whom no client changes."""
        key = f"suspend:{person.id}"
        await self._have_status(person, "suspend-account", "suspended", key, _hand(key, client))

    async def _send_one(self, name: str, hand: Hand) -> None:
        [kind] = hand.choose.choices(tuple(self.kinds), tuple(self.kinds.values()))
        if len(hand.people) < 2:
            kind = "register"
        elif not hand.groups and "create_group" in self.kinds:
            kind = "create_group"
        send: Callable[[str, Hand], Awaitable[None]] = getattr(self, f"_{kind}")
        await send(name, hand)

    async def _register(self, name: str, hand: Hand) -> None:
        body = registration(name)
        if told := await self._done("register-account", body, name, hand, version=1):
            person = Person(id=told["id"], position=told["position"], **body)
            hand.people.append(person)
            self.accepted.append(person)

    async def _change(self, name: str, hand: Hand) -> None:
        person = hand.choose.choice(hand.people)
        command, change, version = hand.choose.choice(
            (
                ("change-handle", {"handle": f"{name}.Changed"}, "version"),
                ("change-email", {"email": f"{name}@changed.example"}, "version"),
                ("update-profile", {"title": name}, "profile_version"),
            )
        )
        reached = getattr(person, version) + 1
        if told := await self._done(command, {"account": person.id, **change}, name, hand, version=reached):
            person.become(position=told["position"], **change, **{version: reached})

    async def _be_refused(self, name: str, hand: Hand) -> None:
        """Ask for an address that is taken."""
        taken = {"email": hand.choose.choice(hand.people).email}
        await self._refused("register-account", registration(name) | taken, name, hand, problem="email-taken")
        self.refused.append(name)

    async def _change_status(self, name: str, hand: Hand) -> None:
        person = hand.choose.choice(hand.people)
        command, status = hand.choose.choice((("suspend-account", "suspended"), ("reinstate-account", "active")))
        await self._have_status(person, command, status, name, hand)

    async def _close(self, name: str, hand: Hand) -> None:
        """Close an account, and be refused to change it."""
        person = hand.people.pop()
        await self._have_status(person, "close-account", "closed", name, hand)
        body, again = {"account": person.id}, f"{name}.closed"
        await self._refused("suspend-account", body, again, hand, problem="account-closed")

    async def _have_status(self, person: Person, command: str, status: str, name: str, hand: Hand) -> None:
        """What a person is already, changes nothing."""
        reached = person.version + (person.status != status)
        told = await self._done(command, {"account": person.id}, name, hand, version=reached)
        if told and person.status != status:
            person.become(position=told["position"], status=status, version=reached)

    async def _expect_another_version(self, name: str, hand: Hand) -> None:
        body, headers = {"account": hand.choose.choice(hand.people).id, "title": "never"}, {"If-Match": '"1000000"'}
        await self._refused("update-profile", body, name, hand, problem="version-mismatch", **headers)

    async def _create_group(self, name: str, hand: Hand) -> None:
        body = {"slug": name, "name": f"Group {name}"}
        if told := await self._done("create-group", body, name, hand, version=1):
            group = Group(id=told["id"], position=told["position"], **body)
            hand.groups.append(group)
            self.groups.append(group)

    async def _rename_group(self, name: str, hand: Hand) -> None:
        group = hand.choose.choice(hand.groups)
        body, reached = {"group": group.id, "name": name}, group.version + 1
        if told := await self._done("update-group", body, name, hand, version=reached):
            group.version, group.name, group.position = reached, name, told["position"]
            for person, _ in group.members.values():
                self._belong(person, group, person.groups[group.slug][1], group.position)

    async def _delete_group(self, name: str, hand: Hand) -> None:
        group = hand.groups.pop()
        reached = group.version + 1
        if told := await self._done("delete-group", {"group": group.slug}, name, hand, version=reached):
            self.groups.remove(group)
            self.deleted.append(group)
            group.version, group.position = reached, told["position"]
            for person, _ in group.members.values():
                self._belong(person, group, None, group.position)

    async def _add_member(self, name: str, hand: Hand) -> None:
        """Add a person who may be a member already: then they get another role."""
        group, person = hand.choose.choice(hand.groups), hand.choose.choice(hand.people)
        member = group.members.get(person.id, Member(person, 0))
        await self._have_role("add-group-member", group, member, name, hand)

    async def _change_role(self, name: str, hand: Hand) -> None:
        if found := self._some_member(hand):
            await self._have_role("change-member-role", *found, name, hand)

    async def _have_role(self, command: str, group: Group, member: Member, role: str, hand: Hand) -> None:
        body = {"group": group.slug, "account": member.person.id, "role": role}
        if told := await self._done(command, body, role, hand, version=member.version + 1):
            group.members[member.person.id] = Member(member.person, member.version + 1)
            self._belong(member.person, group, role, told["position"])

    async def _remove_member(self, name: str, hand: Hand) -> None:
        if found := self._some_member(hand):
            group, (person, version) = found
            body = {"group": group.id, "account": person.id}
            if told := await self._done("remove-group-member", body, name, hand, version=version + 1):
                del group.members[person.id]
                self._belong(person, group, None, told["position"])

    def _some_member(self, hand: Hand) -> tuple[Group, Member] | None:
        """One whom nobody has closed."""
        there = [
            (group, each) for group in hand.groups for each in group.members.values() if each.person in hand.people
        ]
        return hand.choose.choice(there) if there else None

    def _belong(self, person: Person, group: Group, role: str | None, position: int) -> None:
        others = {slug: told for slug, told in person.groups.items() if slug != group.slug}
        own = {} if role is None else {group.slug: (group.name, role)}
        person.become(position=position, groups=others | own)

    async def _done(self, command: str, body: dict[str, Any], name: str, hand: Hand, *, version: int) -> Any:
        """What is answered to a command that is to be carried out; None, and `false`, if it is not to that version."""
        answer = await self._outcome(command, body, name, hand)
        holds = self._is_as_promised(answer, answer.status_code == 200 and answer.json()["version"] == version)
        return answer.json() if holds else None

    async def _refused(
        self, command: str, body: dict[str, Any], name: str, hand: Hand, *, problem: str, **headers: str
    ) -> None:
        answer = await self._outcome(command, body, name, hand, **headers)
        self._is_as_promised(answer, answer.status_code != 200 and answer.json()["type"] == f"/problems/{problem}")

    async def _outcome(self, command: str, body: dict[str, Any], name: str, hand: Hand, **headers: str) -> Any:
        """Of a command; now and then one that was accepted is sent once more under its key."""
        if hand.choose.random() >= self.keyed:
            return await self._final(command, body, headers, hand.client)
        headers["Idempotency-Key"] = name
        first = await self._final(command, body, headers, hand.client)
        if first.status_code == 200 and hand.choose.random() < REPEATED:
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
    return Hand(client, random.Random(name), [], [])
