"""Another layout, which an operator wishes by starting a projector with its number of partitions."""

from dataclasses import dataclass, field
from datetime import datetime

import structlog

from projector.store.errors import Superseded
from projector.store.layouts import LayoutRecord
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.read_model.layouts import LayoutRefused, Layouts, LayoutsUnreadable

log = structlog.get_logger()


@dataclass
class Wish:
    """Another number of partitions, by which a projector was started; it counts once, not while it runs."""

    count: int | None
    clock: Clock = field(default_factory=SystemClock)

    async def layouts(self, record: LayoutRecord) -> Layouts | None:
        """
        Return what is to be fed; None where that cannot be known now.

        :raises LayoutsUnreadable: another release has recorded it.
        """
        try:
            layouts = await record.read()
            if layouts is None:
                layouts = await record.change(lambda now: now or Layouts(live=self.count or 1))
            if self.count:
                layouts = await self._built(layouts, self.count, record)
        except LayoutsUnreadable:
            raise
        except (Unavailable, Superseded):
            return None
        self.count = None
        return layouts

    async def _built(self, layouts: Layouts, count: int, record: LayoutRecord) -> Layouts:
        at = self.clock.now()
        try:
            if layouts.wished(count, at=at) == layouts:
                return layouts
            return await record.change(lambda now: _built(now, count, at=at))
        except LayoutRefused as refused:
            log.warning("no other layout is built", partitions=count, why=str(refused))
            return layouts


def _built(now: Layouts | None, count: int, *, at: datetime) -> Layouts:
    return now.wished(count, at=at) if now else Layouts(live=count)
