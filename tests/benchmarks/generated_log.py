"""
A directory that nobody has typed: events, and the state that they lead to, brought into PostgreSQL by COPY.

The people and groups are those of `muster seed`. What a command would have stored is stored: positions come from the
log's own sequence, versions have no gaps, and state agrees with the log.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from shared import events
from shared.client.groups import belongings, groups
from shared.client.people import people
from shared.event_log import Metadata
from shared.events import Event, type_of
from shared.events.upcasters import schema_of
from shared.text import composed, unique_email, unique_external_id, unique_handle, unique_slug

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=10)
LOG = ("event_id", "aggregate", "aggregate_id", "version", "type", "schema", "data", "metadata", "occurred_at")
PROFILE = ("display_name", "given_name", "family_name", "title", "bio", "locale", "time_zone", "picture_url")
Row = Sequence[Any]

_encode = msgspec.json.Encoder().encode
_SEED = 14


@dataclass(slots=True)
class GeneratedAccount:
    """A person as the state tables hold them."""

    id: str
    email: str
    handle: str
    external_id: str
    profile: dict[str, Any]
    version: int = 1
    profile_version: int = 1
    status: str = "active"


@dataclass
class GeneratedLog:
    """
    A history, and the state after it: iterate over `rows` first.

    :param events: how many, at least; what registrations and memberships leave is changes of people.
    :param everyone: whether all people belong to the first group.
    """

    people: int
    groups: int
    events: int
    everyone: bool = False
    random: Random = field(default_factory=lambda: Random(_SEED))
    accounts: list[GeneratedAccount] = field(default_factory=list)
    memberships: list[Row] = field(default_factory=list)
    written: int = 0

    def __post_init__(self) -> None:
        self.created = [(self._id(), each) for each in islice(groups(_SEED), self.groups)]

    def rows(self) -> Iterator[Row]:
        """The rows of `event_log` in their order, without positions."""
        for id_, group in self.created:
            yield self._row("group", id_, 1, events.GroupCreated(group_id=UUID(id_), **group))
        for nth, (person, belongs) in enumerate(zip(people(_SEED), belongings(_SEED), strict=False), start=1):
            yield from self._registration(person)
            groups = {number: role for number, role in belongs if number <= self.groups}
            for number, role in ({1: "member", **groups} if self.everyone else groups).items():
                yield self._membership(number - 1, role)
            while self.written * self.people < self.events * nth:
                yield self._change(self.random.choice(self.accounts))
            if nth == self.people:
                return

    def state(self) -> Iterator[tuple[str, Sequence[str], Iterator[Row]]]:
        """The tables of state: name, columns and rows, in an order in which references hold."""
        columns = ("id", "version", "email", "email_unique", "handle", "handle_unique")
        yield "accounts", (*columns, "external_id", "external_id_unique", "status"), map(_account, self.accounts)
        yield "profiles", ("id", "version", *PROFILE, "links", "tags", "attributes"), map(_profile, self.accounts)
        columns = ("id", "version", "slug", "slug_unique", "name", "description", "external_id", "external_id_unique")
        yield "groups", columns, map(_group, self.created)
        yield "memberships", ("id", "version", "group_id", "account_id", "role"), iter(self.memberships)

    def _registration(self, person: Mapping[str, Any]) -> Iterator[Row]:
        account = GeneratedAccount(self._id(), person["email"], person["handle"], person["external_id"], {})
        account.profile = {
            name: composed(given) if isinstance(given, str) else given
            for name, given in person.items()
            if name not in {"email", "handle", "external_id"}
        }
        self.accounts.append(account)
        keys = {"email": account.email, "handle": account.handle, "external_id": account.external_id}
        yield self._row("account", account.id, 1, events.AccountRegistered(account_id=UUID(account.id), **keys))
        yield self._row("profile", account.id, 1, events.ProfileCreated(account_id=UUID(account.id), **account.profile))

    def _membership(self, group: int, role: str) -> Row:
        id_, (group_id, _), account = self._id(), self.created[group], self.accounts[-1]
        self.memberships.append((id_, 1, group_id, account.id, role))
        ids = {"membership_id": UUID(id_), "group_id": UUID(group_id), "account_id": UUID(account.id)}
        return self._row("membership", id_, 1, events.MemberAdded(**ids, role=role))

    def _change(self, account: GeneratedAccount) -> Row:
        """One person in ten gets another handle, one is suspended or let in again; eight change their profile."""
        drawn = self.random.random()
        if drawn < 0.8:
            return self._update(account)
        account.version += 1
        id_ = UUID(account.id)
        if drawn < 0.9:
            old, account.handle = account.handle, f"{account.handle.partition('_')[0]}_{account.version}"
            return self._row("account", account.id, account.version, _renamed(id_, old, account.handle))
        away = account.status == "active"
        account.status = "suspended" if away else "active"
        event = events.AccountSuspended(account_id=id_) if away else events.AccountReinstated(account_id=id_)
        return self._row("account", account.id, account.version, event)

    def _update(self, account: GeneratedAccount) -> Row:
        account.profile_version += 1
        other = self.random.choice(self.accounts).profile
        changes = {"title": other.get("title"), "tags": other["tags"], "bio": f"Version {account.profile_version}."}
        account.profile |= changes
        event = events.ProfileUpdated(account_id=UUID(account.id), **changes)
        return self._row("profile", account.id, account.profile_version, event)

    def _row(self, aggregate: str, aggregate_id: str, version: int, event: Event) -> Row:
        self.written += 1
        kind = type_of(event)
        metadata = Metadata(command=kind, actor="bench", correlation=f"bench-{self.written}")
        at = (BEGINNING + self.written * STEP).isoformat()
        data = _encode(event).decode()
        return (
            self._id(),
            aggregate,
            aggregate_id,
            version,
            kind,
            schema_of(kind),
            data,
            _encode(metadata).decode(),
            at,
        )

    def _id(self) -> str:
        """Make an id that sorts by time, as the write side makes them (RFC 9562, version 7)."""
        bits = self.random.getrandbits(80)
        milliseconds = int((BEGINNING + self.written * STEP).timestamp() * 1000)
        drawn = bits & (0xFFF << 64) | bits & ((1 << 62) - 1)
        return str(UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | drawn))


def load(url: str, generated: GeneratedLog) -> None:
    """Bring a history and its state into a database that `muster migrate` has made, in one transaction."""
    with psycopg.connect(url) as connection:
        _copy(connection, "event_log", LOG, generated.rows())
        for table, columns, rows in generated.state():
            _copy(connection, table, columns, rows)
        # What follows from it happened long ago: `muster react` would write a mail to each person while others measure.
        connection.execute("update reaction_checkpoint set position = (select max(position) from event_log)")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
    with connection.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _renamed(id_: UUID, old: str, new: str) -> Event:
    return events.HandleChanged(account_id=id_, old=old, new=new)


def _account(account: GeneratedAccount) -> Row:
    keys = (account.email, unique_email(account.email), account.handle, unique_handle(account.handle))
    external = (account.external_id, unique_external_id(account.external_id))
    return (account.id, account.version, *keys, *external, account.status)


def _profile(account: GeneratedAccount) -> Row:
    shown = account.profile
    described = (_encode(shown.get("links", {})).decode(), shown["tags"], _encode(shown["attributes"]).decode())
    return (account.id, account.profile_version, *map(shown.get, PROFILE), *described)


def _group(created: tuple[str, Mapping[str, Any]]) -> Row:
    id_, group = created
    external = (group["external_id"], unique_external_id(group["external_id"]))
    return (id_, 1, group["slug"], unique_slug(group["slug"]), group["name"], group.get("description"), *external)
