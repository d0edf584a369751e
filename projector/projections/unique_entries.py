"""
The unique entries of people and groups, where these are divided into partitions.

An entry lies in the partition of what it is by and its value, so that a look-up asks one partition, and of two that
claim it the later one has it. Beside it lies what its owner has there: an erasure names no values, and removes all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from projector.declaring.documents import Documents, Key, Kind
from projector.declaring.partitioning import Divided
from projector.declaring.projection import Projection
from shared import events
from shared.event_log import RecordedEvent, UnknownEvent
from shared.read_model.partitions import UNIQUE_ENTRIES, Partitions
from shared.text import unique_email, unique_external_id, unique_handle, unique_slug

LiesHere: TypeAlias = Callable[[str, str], bool]
"""Whether a value of a field lies in a partition."""


class AccountValues(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is unique about an account, as far as its entries lie here."""

    handle: str | None = None
    email: str | None = None
    external_id: str | None = None


class GroupValues(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same of a group."""

    slug: str | None = None


ACCOUNT = Kind("account", AccountValues, is_tagged=False)
GROUP = Kind("group", GroupValues, is_tagged=False)


class ValueChange(NamedTuple):
    """The values that an event gives to its account or group, and those that it takes away."""

    kind: Kind[Any]
    id: UUID
    given: Mapping[str, str | None]
    taken: Mapping[str, str] = {}


CHANGES: Mapping[type[events.Event], Callable[[Any], ValueChange]] = {
    events.AccountRegistered: lambda event: ValueChange(
        ACCOUNT,
        event.account_id,
        {"handle": event.handle, "email": event.email, "external_id": event.external_id},
    ),
    events.HandleChanged: lambda event: ValueChange(
        ACCOUNT, event.account_id, {"handle": event.new}, {"handle": event.old}
    ),
    events.EmailChanged: lambda event: ValueChange(
        ACCOUNT, event.account_id, {"email": event.new}, {"email": event.old}
    ),
    events.GroupCreated: lambda event: ValueChange(GROUP, event.group_id, {"slug": event.slug}),
    events.SlugChanged: lambda event: ValueChange(GROUP, event.group_id, {"slug": event.new}, {"slug": event.old}),
    events.GroupDeleted: lambda event: ValueChange(GROUP, event.group_id, {"slug": None}, {"slug": event.slug}),
}


class _Unique(NamedTuple):
    by: str
    form: Callable[[str], str]


FIELDS = {
    "handle": _Unique("by-handle", unique_handle),
    "email": _Unique("by-email", unique_email),
    "external_id": _Unique("by-external-id", unique_external_id),
    "slug": _Unique("by-slug", unique_slug),
}


def unique_entries(lies_here: LiesHere) -> Projection:
    """Make the projection of those entries that lie in a partition."""
    made = Projection(UNIQUE_ENTRIES, version=1, documents=(ACCOUNT, GROUP))

    def change(event: events.Event, _: RecordedEvent, documents: Documents) -> None:
        of = CHANGES[type(event)](event)
        here = {name: value if value and lies_here(name, value) else None for name, value in of.given.items()}
        nothing = of.kind.record()
        now = msgspec.structs.replace(documents.find(of.kind, of.id) or nothing, **here)
        if now == nothing:
            documents.forget(of.kind, of.id)
        else:
            documents.save(of.kind, of.id, now)

    for each in CHANGES:
        made.on(each, touches=_changed)(change)
    made.on(events.AccountErased, touches=ACCOUNT.by("account_id"))(forget)
    for kind in made.kinds:
        for name in kind.record.__struct_fields__:
            made.unique(kind, FIELDS[name].by, of=name, form=FIELDS[name].form)
    return made


def forget(event: events.AccountErased, _: RecordedEvent, documents: Documents) -> None:
    documents.forget(ACCOUNT, event.account_id)


def divided_unique_entries(partitions: Partitions) -> Divided:
    """Make the projection in all partitions."""

    def partition_of(name: str, value: str) -> int:
        return partitions.of_entry(FIELDS[name].by, FIELDS[name].form(value))

    def route(recorded: RecordedEvent) -> Collection[int]:
        """An erasure and what was redacted, which name no values, go to all."""
        event = recorded.event
        if isinstance(event, events.AccountErased | events.Redacted | UnknownEvent):
            return range(partitions.count)
        return {partition_of(*value) for value in _values(event)}

    def only(nth: int) -> LiesHere:
        return lambda name, value: partition_of(name, value) == nth

    return Divided.of([unique_entries(only(nth)) for nth in range(partitions.count)], route)


def _changed(event: events.Event, _: RecordedEvent) -> Iterable[Key]:
    of = CHANGES[type(event)](event)
    return (of.kind.key(of.id),)


def _values(event: events.Event) -> Iterator[tuple[str, str]]:
    if change_of := CHANGES.get(type(event)):
        change = change_of(event)
        named = (*change.given.items(), *change.taken.items())
        yield from ((name, value) for name, value in named if value is not None)
