"""One generation of a projection, with all that can be packed before the first trip that reads it."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from read_side.adapters.redis.connections import pack
from shared.keys import GenerationKeys, ProjectionKeys
from shared.records import Pointer

Hashes = Callable[[GenerationKeys], Mapping[str, str]]
"""Names the hashes that a view reads, for short, and says which keys they have in a generation."""

_decode_pointer = msgspec.json.Decoder(Pointer).decode
_EXECUTE = pack("EXEC")


class Generation:
    """
    The generation that a stored pointer names.

    :param pointer: the pointer as it is stored, a `records.Pointer`.
    """

    def __init__(self, pointer: bytes, *, keys: ProjectionKeys, hashes: Hashes) -> None:
        self.pointer = pointer
        self.name = _decode_pointer(pointer).generation
        own = keys.generation(self.name)
        self._hashes = hashes(own)
        self._opening = pack("MULTI") + pack("GET", keys.live) + pack("GET", own.checkpoint)

    def packed(self, wanted: Mapping[str, Iterable[bytes]]) -> bytes:
        """
        Pack one transaction: the pointer, the checkpoint, and the fields wanted of each hash.

        It is answered with OK, with QUEUED for each of its `2 + len(wanted)` commands, and with all their answers.
        """
        reads = [pack("HMGET", self._hashes[name], *fields) for name, fields in wanted.items()]
        return b"".join((self._opening, *reads, _EXECUTE))
