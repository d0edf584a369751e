"""The checkpoints of many generations in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence

import msgspec

from projector.adapters.memory.store import MemoryStore
from projector.store.ports import Move
from shared.read_model.positions import Announcement


class MemoryCheckpoints:
    """Moves checkpoints in the stores of the parts of projections, by their labels, such as `profiles.3`."""

    def __init__(self, stores: Mapping[str, MemoryStore]) -> None:
        self._stores = stores

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def move(self, moves: Sequence[Move]) -> AsyncIterator[tuple[Move, bool]]:
        for each in moves:
            store = self._stores[each.label]
            if store.available:
                yield each, _is_moved(each, store)


def _is_moved(move: Move, store: MemoryStore) -> bool:
    keys = store.keyspace.projection(move.label.partition(".")[0]).generation(move.generation)
    if store.string(keys.checkpoint) != msgspec.json.encode(move.before) or store.string(keys.damaged):
        return False
    store.content[keys.checkpoint] = msgspec.json.encode(move.after)
    store.announced.append(Announcement(move.generation, move.after.reached))
    return True
