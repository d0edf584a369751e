"""Which layouts there are, as it is recorded in memory."""

from projector.adapters.memory.store import MemoryStore
from projector.store.layouts import LayoutChange
from shared.read_model.keys import HOME
from shared.read_model.layouts import WHERE, Layouts, recorded


class MemoryLayoutRecord:
    """In the `MemoryStore` that is home."""

    def __init__(self, home: MemoryStore) -> None:
        self._home = home

    async def read(self) -> Layouts | None:
        self._home.check()
        return recorded(*map(self._home.string, WHERE))

    async def change(self, change: LayoutChange) -> Layouts:
        layouts = change(await self.read())
        self._home.content[HOME.partitions] = layouts.encoded
        return layouts
