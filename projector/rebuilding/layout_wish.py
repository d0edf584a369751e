"""Another layout, which an operator wishes by starting a projector with its number of partitions."""

from contextlib import suppress
from dataclasses import dataclass

import structlog

from projector.store.errors import Superseded
from projector.store.layouts import LayoutRecord
from shared.errors import Unavailable
from shared.read_model.layouts import LayoutRefused, Layouts

log = structlog.get_logger()


@dataclass
class Wish:
    """Another number of partitions, by which a projector was started; it counts once, not while it runs."""

    count: int | None

    async def layouts(self, record: LayoutRecord) -> Layouts | None:
        """Return what is to be fed; None where that cannot be known now."""
        with suppress(Unavailable, Superseded):
            layouts = await record.read()
            if layouts is None:
                layouts = await record.change(lambda now: now or Layouts(live=self.count or 1))
            if self.count:
                layouts = await self._built(layouts, self.count, record)
            self.count = None
            return layouts
        return None

    async def _built(self, layouts: Layouts, count: int, record: LayoutRecord) -> Layouts:
        try:
            return layouts if layouts.wished(count) == layouts else await record.change(lambda now: _built(now, count))
        except LayoutRefused as refused:
            log.warning("no other layout is built", partitions=count, why=str(refused))
            return layouts


def _built(now: Layouts | None, count: int) -> Layouts:
    return now.wished(count) if now else Layouts(live=count)
