"""Generations that nobody feeds: whoever is erased stays in them."""

from collections.abc import Sequence
from time import monotonic

from projector.folding.projection import Projection
from projector.processing.processors import roles
from projector.store.generations import Survey
from projector.store.ports import Lease, LeaseName
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog
from shared.read_model.positions import Pointer


class Abandonment:
    """
    Knows which generations of a projection were made by another version of which no process is there.

    :param interval: seconds from one look at the log to the next; it is only looked at while there is such a one.
    """

    def __init__(self, projection: Projection, *, lease: Lease, log: EventLog, interval: float) -> None:
        self._projection = projection
        self._lease = lease
        self._log = log
        self._interval = interval
        self._looked = float("-inf")

    async def keeping_the_erased(self, survey: Survey) -> Sequence[Pointer]:
        """Those that have not come to an erasure which the log has, and never will; none if that cannot be told."""
        others = [pointer for pointer in roles(survey) if pointer.version != self._projection.version]
        if not others or monotonic() - self._looked < self._interval:
            return []
        self._looked = monotonic()
        return [each for each in others if await self._keeps_somebody(each, survey) and not await self._is_fed(each)]

    async def _is_fed(self, pointer: Pointer) -> bool:
        name = LeaseName(self._projection.name, pointer.version)
        return bool((await self._lease.candidates([name])).holders)

    async def _keeps_somebody(self, pointer: Pointer, survey: Survey) -> bool:
        checkpoint = survey.at(pointer).checkpoint
        try:
            async with self._log.connect() as reader:
                return await reader.erasure(after=checkpoint.position if checkpoint else 0) is not None
        except (Unavailable, Unsound):
            return False
