"""Parked events, for operators: list, retry and skip them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

from projector.declaring.partitioning import whole_of
from projector.folding.batch import Batch
from projector.folding.parking import NOTHING, Parking, Skip
from projector.parked.answers import ParkedReply, ParkedReport
from projector.parked.reports import report_on
from projector.store.codec import parking_at
from projector.store.errors import Superseded
from projector.store.generations import Survey
from projector.store.ports import ReadModel
from shared.clock import Clock
from shared.read_model.positions import Checkpoint
from shared.runtime.retry import poll
from shared.wording import suggestion

T = TypeVar("T")
ParkingChange: TypeAlias = Callable[[Survey, Parking], Parking]
"""Returns what is to be parked instead."""

STILL = poll(0.02, attempts=50)
"""Until a generation that is being written holds still for a read, or for a change."""
PLACES = 12
"""Parts that are read at once: each takes a connection."""
RETRIED = poll(0.05, within=10.0)
"""Until a projector that feeds has tried what is to be tried: reconciler and processor may rest for 3 s each."""


class UnknownProjection(Exception):
    """There is no projection of that name."""


class NotParked(Exception):
    """Nothing is parked for a document with that id."""


class WaitsNotFirst(Exception):
    """Another event waits first for a document with that id."""


class Busy(Exception):
    """The generation is being written without a pause, or replaced; try again."""


def found(projection: str, by_projection: Mapping[str, T]) -> T:
    """
    Return what there is of a projection.

    :raises UnknownProjection: there is none of that name.
    """
    if projection not in by_projection:
        raise UnknownProjection(f"There is no projection {projection!r}: {suggestion(projection, by_projection)}")
    return by_projection[projection]


async def parking_of(model: ReadModel, *, projection: str) -> Parking:
    """
    Return what is parked in the generation that readers use, or will use once it is filled.

    :raises Busy: it does not hold still.
    """
    return await _while_it_holds_still(lambda: _read(model, projection))


class ParkedEvents:
    """
    Read what is parked in the generations that readers use, and ask their projectors to try it again.

    A projection that is divided may be named, or one of its parts: what is parked in several is one document.
    """

    def __init__(self, *, models: Mapping[str, ReadModel], clock: Clock) -> None:
        """:param models: of all parts, by their labels."""
        self._models = models
        self._clock = clock
        self._places = asyncio.Semaphore(PLACES)

    async def read(self) -> ParkedReport:
        """Read all of it."""
        return report_on(await self._parkings(self._models))

    async def find(self, projection: str, id: str) -> ParkedReport:
        """
        Read what is, or was, parked for documents with an id.

        :raises UnknownProjection, NotParked: there is nothing.
        """
        report = report_on(await self._parkings(self._parts_of(projection)), id)
        if not report.parked and not report.skipped:
            raise NotParked(f"Nothing is parked in {projection} for {id}")
        return report

    async def retry(self, projection: str, id: str) -> ParkedReply:
        """
        Have all that keeps documents with an id waiting tried again.

        :raises UnknownProjection, NotParked, Busy: nothing was changed.
        """
        return await self._ask(projection, id, lambda _, parking: parking.to_be_retried(id))

    async def skip(self, projection: str, id: str, *, reason: str, by: str, position: int | None = None) -> ParkedReply:
        """
        Have the first event that waits for a document with an id dropped for all its documents, and the next tried.

        :param position: of the event that is meant; asked for again, it drops no other.
        :raises UnknownProjection, NotParked, WaitsNotFirst: nothing was changed.
        :raises Busy: not in that part, and those behind it; a rebuild is under way, say, that has taken over what had
            been skipped when it began.
        """
        skip = Skip(reason=reason, by=by, at=self._clock.now())

        def change(survey: Survey, parking: Parking) -> Parking:
            _require_no_rebuild(projection, survey)
            if position is not None:
                _require_first(position, id, parking)
            return parking.to_be_skipped(id, skip)

        return await self._ask(projection, id, change)

    def _parts_of(self, projection: str) -> Mapping[str, ReadModel]:
        """:raises UnknownProjection: there is none of that name."""
        if projection in self._models:
            return {projection: self._models[projection]}
        parts: dict[str, dict[str, ReadModel]] = {}
        for label, model in self._models.items():
            parts.setdefault(whole_of(label), {})[label] = model
        return found(projection, parts)

    async def _ask(self, projection: str, id: str, change: ParkingChange) -> ParkedReply:
        asked, refusals = {}, list[WaitsNotFirst]()
        for label, model in self._parts_of(projection).items():
            try:
                await _while_it_holds_still(partial(_change, model, label, id, change))
                asked[label] = model
            except NotParked:
                continue
            except WaitsNotFirst as refusal:
                refusals.append(refusal)
        if not asked:
            raise next(iter(refusals), NotParked(f"Nothing is parked in {projection} for {id}"))
        parkings = dict(zip(asked, await asyncio.gather(*map(partial(_tried, id), asked, asked.values())), strict=True))
        settled = not any(_is_pending(id, each) for each in parkings.values())
        return ParkedReply(settled=settled, **msgspec.structs.asdict(report_on(parkings, id)))

    async def _parkings(self, models: Mapping[str, ReadModel]) -> Mapping[str, Parking]:
        return dict(zip(models, await asyncio.gather(*map(self._parking, models, models.values())), strict=True))

    async def _parking(self, label: str, model: ReadModel) -> Parking:
        async with self._places:
            return await parking_of(model, projection=label)


async def _tried(id: str, label: str, model: ReadModel) -> Parking:
    """Wait until a projector has tried what was marked, or that takes too long."""
    return await RETRIED.until(
        lambda parking: not _is_pending(id, parking), lambda: parking_of(model, projection=label)
    )


async def _while_it_holds_still(work: Callable[[], Awaitable[Parking]]) -> Parking:
    try:
        return await STILL.call(work, on=Superseded)
    except Superseded as error:
        raise Busy("The projector is writing all the time; try again") from error


async def _read(model: ReadModel, projection: str) -> Parking:
    survey = await model.survey()
    if not survey.main or not survey.checkpoint or not survey.checkpoint.parked:
        return NOTHING
    async with model.commit(survey.main.generation, expected=survey.checkpoint) as commit:
        return parking_at(survey.checkpoint, commit.parked, projection=projection)


def _require_no_rebuild(projection: str, survey: Survey) -> None:
    if survey.live and (building := survey.roster.building):
        raise Busy(
            f"{building.order.by} is rebuilding {projection}, and the new generation would not know of it: skip"
            " once that is over, or abort it"
        )


def _require_first(position: int, id: str, parking: Parking) -> None:
    waiting = [each.position for each in parking.waiting_for(id)]
    if waiting[0] != position:
        raise WaitsNotFirst(
            f"The event at position {position} does not wait first for {id}: now the one at {waiting[0]} does, of"
            f" {len(waiting)} that wait"
        )


async def _change(model: ReadModel, projection: str, id: str, change: ParkingChange) -> Parking:
    """
    Write down what is to be tried, through the same compare-and-set as every commit.

    It is written before it is done, so that what a crash leaves of the doing is done again.
    """
    survey = await model.survey()
    if not survey.main or not survey.checkpoint:
        raise NotParked(f"Nothing is parked in {projection}: it was never filled")
    async with model.commit(survey.main.generation, expected=survey.checkpoint) as commit:
        parking = parking_at(survey.checkpoint, commit.parked, projection=projection)
        if not parking.waiting_for(id):
            raise NotParked(f"Nothing is parked in {projection} for {id}")
        # Surveyed once more: the commit takes effect on this survey, or not at all.
        changed = change(await model.survey(), parking)
        await commit.apply(commit_of(changed, survey.checkpoint))
    return changed


def commit_of(changed: Parking, after: Checkpoint) -> Batch:
    """A commit that changes nothing but what is parked."""
    checkpoint = after.revised(parked=after.revision + 1)
    return Batch(parked={str(checkpoint.parked): msgspec.json.encode(changed)}, checkpoint=checkpoint)


def _is_pending(id: str, parking: Parking) -> bool:
    """Whether no projector has tried yet the events that were marked and wait for documents with an id."""
    return any(
        each.skip is not None or (each.failure is not None and not each.failure.code)
        for each in parking.waiting_for(id)
    )
