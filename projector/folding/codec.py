"""Records as they are stored: sealed, with the private fields behind those that everybody may see."""

from typing import Any, Generic

import msgspec

from projector.declaring.documents import Kind, Record
from shared.read_model.envelope import Sealed, seal, without_mark

_encode = msgspec.json.Encoder().encode


class DocumentCodec(Generic[Record]):
    """Turns the records of a kind into sealed documents and back."""

    def __init__(self, kind: Kind[Record]) -> None:
        self._decode = msgspec.json.Decoder(kind.record).decode
        self._private, self._is_tagged = kind.private, kind.is_tagged

    def seal(self, record: Any, *, position: int, stale_since: str | None = None) -> bytes:
        body = _encode(record)
        public = self._public(record, body)
        return seal(position=position, body=body, stale_since=stale_since, public=public, is_tagged=self._is_tagged)

    def record(self, sealed: Sealed) -> Record:
        """:raises msgspec.DecodeError: it holds something else."""
        return self._decode(without_mark(sealed))

    def _public(self, record: Any, body: bytes) -> int:
        """How many bytes stand before the private fields, which end the JSON as they would stand alone."""
        if not self._private:
            return 0
        return len(body) - len(_encode({name: getattr(record, name) for name in self._private}))
