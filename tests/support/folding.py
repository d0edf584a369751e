"""Feeding a store by hand, batch by batch, and looking at what it holds then."""

from collections.abc import Coroutine, Sequence
from typing import TypeVar

import msgspec

from projector.adapters.memory import MemoryReadModel, MemoryStore
from projector.committing import commit_next
from projector.fold import Folder
from projector.ports import ReadModel
from projector.projections.profiles import Profiles
from shared.event_log import RecordedEvent
from shared.records import Pointer, ProfileRecord, unseal

Result = TypeVar("Result")

POINTER = Pointer("g1", Profiles.version)
PREFIX = "muster:{0}:profiles:g1:"


def at_once(work: Coroutine[object, object, Result]) -> Result:
    """Return the result of a coroutine that never waits, as on stores in memory; far faster than an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the coroutine waited")


async def begin(model: ReadModel) -> None:
    await model.begin_fill(POINTER)


async def fold_next(model: ReadModel, log: Sequence[RecordedEvent], *, size: int) -> bool:
    """Do what the engine does with the next events after the checkpoint; says whether there were any."""
    checkpoint = (await model.survey()).checkpoint
    events = [each for each in log if each.position > checkpoint.position][:size]
    if not events:
        return False
    await commit_next(events, folder=Folder(Profiles()), model=model, generation=POINTER.generation, after=checkpoint)
    return True


async def fold_all(model: ReadModel, log: Sequence[RecordedEvent], *, size: int = 500) -> None:
    while await fold_next(model, log, size=size):
        pass


async def cleanly_folded(log: Sequence[RecordedEvent]) -> dict[str, dict[str, bytes]]:
    """What a store holds that took the whole log at once."""
    store = MemoryStore()
    model = MemoryReadModel(store, projection="profiles")
    await begin(model)
    await fold_all(model, log, size=len(log) or 1)
    return hashes(store.content)


def hashes(content: dict[str, bytes | dict[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """Documents and look-ups of the generation; an empty hash is none, as in Redis."""
    return {key.removeprefix(PREFIX): value for key, value in content.items() if isinstance(value, dict) and value}


def as_read(content: dict[str, bytes | dict[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """
    The hashes without look-ups of a value that the person found does not have: readers compare and answer 404.

    Three crashes in a row, each in the middle of a commit, can leave such a one behind.
    """
    found = hashes(content)
    people = {name: unseal(envelope).body for name, envelope in found.get("profile:full", {}).items()}
    entries = {
        (entry.by, entry.value, name)
        for name, body in people.items()
        for entry in Profiles().index(msgspec.json.decode(body, type=ProfileRecord))
    }
    return {
        key: {field: value for field, value in hash_.items() if (key, field, value.decode()) in entries}
        if key.startswith("by-")
        else hash_
        for key, hash_ in found.items()
    }
