"""One generation of a projection, with all that can be packed before the first trip that reads it."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from read_side.adapters.redis.transport.reads import Read
from shared.read_model.keys import GenerationKeys, ProjectionKeys
from shared.read_model.positions import Pointer
from shared.redis.pipelined import pack

Names = Callable[[GenerationKeys], Mapping[str, str]]
"""Names the hashes and sorted sets that a view reads, for short, and says which keys they have in a generation."""

_decode_pointer = msgspec.json.Decoder(Pointer).decode
_EXECUTE = pack("EXEC")


class LiveGeneration:
    """
    The generation that a stored pointer names.

    :param pointer: the pointer as it is stored, a `positions.Pointer`.
    """

    def __init__(self, pointer: bytes, *, keys: ProjectionKeys, names: Names) -> None:
        self.pointer = pointer
        self.name, self.version = msgspec.structs.astuple(_decode_pointer(pointer))
        own = keys.generation(self.name)
        self._keys = {name: key.encode() for name, key in names(own).items()}
        self._opening = pack("MULTI") + pack("GET", keys.live) + pack("GET", own.checkpoint)

    def packed(self, wanted: Mapping[str, Iterable[bytes]], reads: Iterable[Read]) -> bytes:
        """
        Pack one transaction: the pointer, the checkpoint, the fields wanted of each hash, and further reads.

        It is answered with OK, with QUEUED for each of its commands, and with all their answers.
        """
        hashes = [pack("HMGET", self._keys[name], *fields) for name, fields in wanted.items()]
        others = [read.packed(self._keys[read.of]) for read in reads]
        return b"".join((self._opening, *hashes, *others, _EXECUTE))
