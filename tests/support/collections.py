"""What the read side finds in Redis: documents that the projector files, without any event behind them."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
from redis import Redis

from projector.adapters.redis.commit import command_of
from projector.declaring.documents import Key
from projector.declaring.projection import Projection
from projector.folding.batch import Batch
from projector.folding.codec import DocumentCodec
from projector.folding.document_session import Document
from projector.folding.index_changes import Indexer
from projector.store.writes import writes
from shared.read_model.keys import HOME, Keyspace
from shared.read_model.positions import Announcement, Checkpoint, FanOutProgress, Pointer

Records: TypeAlias = Mapping[Key, msgspec.Struct | None]
"""None takes a document away."""


class Collections:
    """
    Writes documents into one generation of a projection.

    :param keyspace: of the partition whose documents they are.
    """

    publish = "PUBLISH"
    """By which readers are told."""

    def __init__(
        self, client: Redis, projection: Projection, *, generation: str = "g1", keyspace: Keyspace = HOME
    ) -> None:
        self.client = client
        self.projection = keyspace.projection(projection.name)
        self.keys = self.projection.generation(generation)
        self.of = projection
        self._indexer = Indexer(projection)
        self._codecs = {kind.name: DocumentCodec(kind) for kind in projection.kinds}
        self._records: dict[Key, msgspec.Struct] = {}

    def save(self, records: Records, *, position: int, announce: bool = True, **more: Any) -> None:
        """Write into the live generation; `more` is what `write` takes."""
        self.write(records, position=position, **more)
        self.go_live()
        if announce:
            self.announce(position)

    def write(self, records: Records, *, position: int, fan_outs: Iterable[int] = (), trimmed: int = 0) -> None:
        """Write, whether the generation is live or not; `fan_outs` are positions of events still brought to others."""
        under_way = tuple(map(FanOutProgress, fan_outs))
        checkpoint = Checkpoint(position=position, count=position, fan_outs=under_way, trimmed=trimmed)
        self.apply(self.batch(records, checkpoint))

    def apply(self, batch: Batch) -> None:
        with self.client.pipeline(transaction=True) as pipe:
            for each in writes(batch, self.keys):
                pipe.execute_command(*command_of(each))
            pipe.execute()

    def go_live(self) -> None:
        """Have readers use this generation, without telling them."""
        self.client.set(self.projection.live, msgspec.json.encode(Pointer(self.keys.name, self.of.version)))

    def announce(self, position: int) -> None:
        announcement = Announcement(self.keys.name, position)
        self.client.execute_command(self.publish, self.projection.announce, msgspec.json.encode(announcement))

    def batch(self, records: Records, checkpoint: Checkpoint) -> Batch:
        """What was written before is written anew: a test may have taken it away."""
        changes = [self._changed(key, record) for key, record in records.items()]
        there = {key: record for key, record in records.items() if record is not None}
        self._records |= there
        return Batch(
            removals=[(entry, each.key.id) for each in changes for entry, stands in each.stands.items() if not stands],
            additions=[(entry, each.key.id) for each in changes for entry, stands in each.stands.items() if stands],
            index_rows={each.key: msgspec.msgpack.encode(row) for each in changes if (row := each.index_row)},
            full={
                key: self._codecs[key.kind].seal(record, position=checkpoint.position) for key, record in there.items()
            },
            forgotten=[key for key in records if key not in there],
            checkpoint=checkpoint,
        )

    def _changed(self, key: Key, record: msgspec.Struct | None) -> Document:
        document = Document(key, self._records.pop(key, None), 0)
        document.become(record, position=1)
        document.reindex_whole(self._indexer)
        return document
