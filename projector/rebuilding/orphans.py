"""Orphaned generations: made by another version of a projection, and fed by no process."""

from collections.abc import Sequence
from time import monotonic

from projector.processing.processors import roles
from projector.store.generations import Survey
from projector.store.ports import Lease, LeaseName
from shared.errors import Unavailable, Unsound
from shared.event_log import EventLog
from shared.read_model.positions import Pointer


class OrphanedGenerations:
    """
    Find the generations of a projection whose version no process runs.

    :param own: the lease by which this process feeds those of its version.
    :param interval: seconds from one read of the log to the next; it is only read while another version's are there.
    """

    def __init__(self, own: LeaseName, *, lease: Lease, log: EventLog, interval: float) -> None:
        self._own = own
        self._lease = lease
        self._log = log
        self._interval = interval
        self._checked = float("-inf")

    async def missing_an_erasure(self, survey: Survey) -> Sequence[Pointer]:
        """Return those that miss an erasure which the log has, and will for ever; none while the log is away."""
        others = [pointer for pointer in roles(survey) if pointer.version != self._own.version]
        if not others or monotonic() - self._checked < self._interval:
            return []
        self._checked = monotonic()
        return [each for each in others if await self._misses_an_erasure(each, survey) and not await self._is_fed(each)]

    async def _is_fed(self, pointer: Pointer) -> bool:
        name = self._own._replace(version=pointer.version)
        return bool((await self._lease.candidates([name])).holders)

    async def _misses_an_erasure(self, pointer: Pointer, survey: Survey) -> bool:
        checkpoint = survey.at(pointer).checkpoint
        try:
            async with self._log.connect() as reader:
                return await reader.erasure(after=checkpoint.position if checkpoint else 0) is not None
        except (Unavailable, Unsound):
            return False
