from typing import Protocol


class ShardLocks(Protocol):
    """
    Who carries out the commands of a shard of the bus: one consumer at a time, for as long as it lives.

    Everything can raise `Unavailable`: then this consumer has no lock any more.
    """

    async def consumers(self) -> int:
        """Count the consumers there are, this one among them."""

    async def take(self, shard: int) -> bool:
        """Take a shard, unless another consumer has it."""

    async def give_up(self, shard: int) -> None:
        """Let another consumer take a shard."""

    async def require(self) -> None:
        """:raises Unavailable: this consumer may have lost what it took."""

    async def aclose(self) -> None:
        """Be no consumer any more."""
