"""The processors of one projection, one for each generation that this code can feed."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from projector.processing.processor import Processor
from projector.processing.progress import GenerationRole, ProjectionProgress
from projector.store.generations import Survey
from shared.read_model.positions import Pointer
from shared.runtime.tasks import Tasks


def roles(survey: Survey, *, version: int | None = None) -> Mapping[Pointer, GenerationRole]:
    """Return the role of each generation; only of those that code of a version can feed, if one is given."""
    live, building, kept = survey.live, survey.roster.building, survey.roster.kept
    all_roles = {
        **({live: GenerationRole.LIVE} if live else {}),
        **({building.pointer: GenerationRole.BUILDING if live else GenerationRole.FILLING} if building else {}),
        **({kept.pointer: GenerationRole.KEPT} if kept else {}),
    }
    return {pointer: role for pointer, role in all_roles.items() if version in {None, pointer.version}}


class Processors:
    """Run a processor as long as its generation is there."""

    def __init__(self, make: Callable[[Pointer, GenerationRole], Processor]) -> None:
        self._make = make
        self._tasks = Tasks()
        self._running: dict[Pointer, tuple[Processor, asyncio.Task[None]]] = {}

    def progress_of(self, pointer: Pointer | None) -> ProjectionProgress | None:
        """Return the progress of a generation, if it is fed here."""
        running = self._running.get(pointer) if pointer else None
        return running[0].progress if running else None

    def held(self, pointer: Pointer | None) -> AbstractContextManager[None]:
        """Write nothing to a generation meanwhile, if it is fed here."""
        running = self._running.get(pointer) if pointer else None
        return running[0].held() if running else nullcontext()

    def observe(self, survey: Survey, *, since: float) -> None:
        """Have each processor compare the store with what it left there."""
        for processor, _ in self._running.values():
            processor.observe(survey, since=since)

    async def run_for(self, wanted: Mapping[Pointer, GenerationRole]) -> None:
        """Feed these generations, and no others."""
        ended = [each for each in self._running if each not in wanted]
        await self._tasks.stop(*(self._running.pop(each)[1] for each in ended))
        for pointer, role in wanted.items():
            if pointer not in self._running:
                processor = self._make(pointer, role)
                self._running[pointer] = (
                    processor,
                    self._tasks.start(processor.run(), name=f"processor of {pointer.generation}"),
                )
            self._running[pointer][0].progress.take(role)
