"""Reading back what a projection keeps about its generations."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec
import structlog

from projector.folding.parking import NOTHING, Parking
from projector.store.collections import StoredCollection, key_of
from projector.store.errors import GenerationDamaged, Superseded
from projector.store.generations import GenerationState, Roster, Survey
from projector.store.hints import broken, refill
from projector.store.transitions import completed
from shared.read_model.keys import GenerationKeys, ProjectionKeys
from shared.read_model.positions import Announcement, Checkpoint, Live, Pointer

log = structlog.get_logger()

Stored = TypeVar("Stored", Live, Roster, Checkpoint)

NOTHING_LIVE = Live("", 0)

EVERYBODY = 2**63 - 1
"""The position in an announcement that wakes all who wait, whatever for."""

FORMER = ["profile:public", "activity:public", "list:activity"]
"""The collections of the first release that no projection has any more."""


def decoded(value: bytes | None, type_: type[Stored], *, keys: ProjectionKeys) -> Stored | None:
    """
    A pointer, roster or checkpoint; None if there is none.

    :raises GenerationDamaged: there is something else.
    """
    try:
        return None if value is None else msgspec.json.decode(value, type=type_)
    except msgspec.DecodeError as error:
        name = "pointer" if type_ is Live else type_.__name__.lower()
        raise GenerationDamaged(
            f"projection {keys.projection}: its {name} cannot be read ({error}); {refill(keys)}"
        ) from error


def live(value: bytes | None, *, keys: ProjectionKeys) -> Live:
    """
    Decode the pointer of what is live, and who may use it.

    :raises GenerationDamaged: it cannot be read.
    """
    return decoded(value, Live, keys=keys) or NOTHING_LIVE


def survey(pointer: bytes | None, roster: bytes | None, *, keys: ProjectionKeys) -> Survey:
    """
    Decode pointer and roster, without the states of generations; a change that was stored by half is completed.

    :raises GenerationDamaged: one of them cannot be read.
    """
    found = live(pointer, keys=keys)
    whole = completed(found.pointer, decoded(roster, Roster, keys=keys) or Roster())
    return Survey(found.pointer, whole, access=found.access, left=found.left, change=found.change)


def stored_live(survey: Survey, after: Survey) -> bytes | None:
    """Encode them; None where there is nothing to be said."""
    name, version = msgspec.structs.astuple(after.live) if after.live else ("", 0)
    found = Live(name, version, after.access, after.left, after.change)
    return None if found == NOTHING_LIVE and survey.access == "open" else msgspec.json.encode(found)


def closing(survey: Survey, after: Survey) -> bytes | None:
    """
    Return the next checkpoint of the live generation of a part that is closed now; None of any other.

    All who write by compare-and-set find another one than they left, and look.
    """
    checkpoint = survey.at(after.live).checkpoint
    if checkpoint is None or after.access != "closed" or survey.access == "closed":
        return None
    return msgspec.json.encode(checkpoint.revised())


def announced(survey: Survey, after: Survey) -> Announcement | None:
    """Return what readers are to be told."""
    if (after.access, after.left) != (survey.access, survey.left):
        return Announcement(after.live.generation if after.live else "", EVERYBODY)
    if after.live is None or after.live == survey.live:
        return None
    return Announcement(after.live.generation, survey.at(after.live).reached)


def generation(checkpoint: bytes | None, damaged: bytes | None, *, keys: ProjectionKeys) -> GenerationState:
    """
    Decode the fields of one generation.

    :raises GenerationDamaged: its checkpoint cannot be read.
    """
    return GenerationState(decoded(checkpoint, Checkpoint, keys=keys), damaged.decode() if damaged else None)


def inherited(checkpoint: Checkpoint | None, stored: Mapping[str, bytes], *, keys: ProjectionKeys) -> Parking:
    """
    What a new generation takes over from another: that events were skipped, by whom and why.

    Where that is lost they are parked again, and an operator sees them.
    """
    try:
        parking = parking_at(checkpoint or Checkpoint(), stored, projection=keys.projection)
    except GenerationDamaged:
        return NOTHING
    return Parking(skipped=parking.skips())


def begun(parking: Parking) -> tuple[Checkpoint, Mapping[str, bytes]]:
    """The checkpoint of a generation that holds nothing yet, and what is kept by the name it has for what is parked."""
    if parking == NOTHING:
        return Checkpoint(), {}
    return Checkpoint(revision=1, parked=1), {"1": msgspec.json.encode(parking)}


def parking_at(checkpoint: Checkpoint, stored: Mapping[str, bytes], *, projection: str) -> Parking:
    """
    Decode the events that are parked at a checkpoint.

    :param stored: what is kept of it, by the name that a checkpoint has for it.
    :raises GenerationDamaged: it is not there, or cannot be read.
    """
    if not checkpoint.parked:
        return NOTHING
    if (parking := stored.get(str(checkpoint.parked))) is None:
        raise GenerationDamaged(broken(projection, "it is lost which events are parked"))
    try:
        return msgspec.json.decode(parking, type=Parking)
    except msgspec.DecodeError as error:
        raise GenerationDamaged(broken(projection, f"what is parked cannot be read ({error})")) from error


def contents(keys: GenerationKeys, collections: Iterable[StoredCollection]) -> bytes:
    """The names of all that a generation may have, as it is kept beside it."""
    return msgspec.json.encode([key_of(each, keys).removeprefix(keys.prefix) for each in collections])


def all_keys(keys: GenerationKeys, contents: bytes | None, *, known: Iterable[StoredCollection]) -> Collection[str]:
    """
    Every key that a generation may have.

    :param contents: what was written of it when it was begun; there is none of generations of the first release.
    :param known: the collections that this code gives to a generation.
    """
    try:
        names = msgspec.json.decode(contents or b"", type=list[str])
    except msgspec.DecodeError:
        log.warning("only known keys of a generation are dropped", projection=keys.projection, generation=keys.name)
        names = FORMER
    about = (keys.checkpoint, keys.damaged, keys.parked, keys.contents)
    return {*about, *(f"{keys.prefix}{name}" for name in names), *(key_of(each, keys) for each in known)}


def checkpoint_of(pointer: Pointer, stored: bytes | None, *, live: Pointer | None, keys: ProjectionKeys) -> Checkpoint:
    """
    Return the checkpoint of a generation that should have one.

    :raises Superseded: it is gone, and nothing uses it.
    :raises GenerationDamaged: it is the live one, or its checkpoint cannot be read.
    """
    if (checkpoint := decoded(stored, Checkpoint, keys=keys)) is not None:
        return checkpoint
    if pointer == live:
        raise GenerationDamaged(f"projection {keys.projection}: its live generation has lost its checkpoint")
    raise Superseded(f"generation {pointer.generation} is gone")
