"""One partition of a projection: the generation that is live in it, with all that can be packed before it is read."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from read_side.adapters.redis.transport.reads import Read
from read_side.freshness import Freshness
from read_side.views import NeverFilled
from shared.errors import Unavailable
from shared.read_model.keys import GenerationKeys, ProjectionKeys
from shared.read_model.positions import Live
from shared.redis.pipelined import pack

Names = Callable[[GenerationKeys], Mapping[str, str]]
"""Names the hashes and sorted sets that a view reads, for short, and says which keys they have in a generation."""

_decode_pointer = msgspec.json.Decoder(Live).decode
_EXECUTE = pack("EXEC")


class LayoutLeft(Unavailable):
    """Readers are to use another layout, which is recorded at home."""


class LiveGeneration:
    """
    The generation that a stored pointer names.

    :param pointer: the pointer as it is stored, a `positions.Live`.
    """

    def __init__(self, pointer: bytes, *, keys: ProjectionKeys, names: Names) -> None:
        self.pointer = pointer
        self.name, self.version, _, self.left, _ = msgspec.structs.astuple(_decode_pointer(pointer))
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


class Partition:
    """
    A partition of a projection.

    :param names: what can be asked for.
    :param freshness: is to read again when another generation goes live.
    :param oldest_version: of the projection, whose generations can be read.
    :param switches: how many there had been of layouts when this one was said to be used.
    :ivar live: the generation that was live when the partition was last read; None if there was none.
    """

    def __init__(
        self, keys: ProjectionKeys, *, names: Names, freshness: Freshness, oldest_version: int = 1, switches: int = 0
    ) -> None:
        self.keys = keys
        self.switches = switches
        self.live: LiveGeneration | None = None
        self._names = names
        self._freshness = freshness
        self._oldest_version = oldest_version

    def follow(self, pointer: bytes | None) -> LiveGeneration:
        """
        Read the generation the pointer names from now on; all that wait have to look at it.

        :raises LayoutLeft: it is not to be read any more.
        :raises Unavailable: it cannot be read.
        """
        name, self.live = self.keys.projection, None
        if pointer is None:
            raise NeverFilled(f"The read model {name} was not filled yet")
        try:
            generation = LiveGeneration(pointer, keys=self.keys, names=self._names)
        except msgspec.DecodeError as error:
            raise Unavailable(f"It cannot be read what is live of {name}: the projector says what to do") from error
        if generation.left > self.switches or not generation.name:
            raise LayoutLeft(f"The read model {name} is read from another layout")
        if generation.version < self._oldest_version:
            raise Unavailable(
                f"The read model {name} was made by version {generation.version}, which this release does not read:"
                " rebuild it"
            )
        self.live = generation
        self._freshness.read_again()
        return generation
