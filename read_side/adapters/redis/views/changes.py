"""The change feed, in Redis."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from read_side.adapters.change_query import changes_of
from read_side.adapters.redis.transport.batcher import Reply
from read_side.adapters.redis.transport.reads import Fields
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import ChangeQuery, Changes, ChangesTrimmed
from shared.errors import Unavailable
from shared.read_model.changes import BLOCK, ChangeBlock, ChangeItem, block_at
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys


class _Trimmed(msgspec.Struct, frozen=True):
    """The part of a `positions.Checkpoint` that says where the feed begins."""

    trimmed: int = 0


_decode = msgspec.json.Decoder(ChangeBlock).decode
_decode_trimmed = msgspec.json.Decoder(_Trimmed).decode


class RedisChangeViews(RedisViews):
    projection = "changes"

    async def changes(self, query: ChangeQuery) -> Changes:
        after = query.after
        if after is None:
            after = _trimmed(await self._ask_for_list())
        blocks = self._wanted(query, after)
        reply = await self._ask_for_list(reads=(Fields("full", tuple(b"%d" % each for each in blocks)),))
        if after < (trimmed := _trimmed(reply)):
            raise ChangesTrimmed(oldest=trimmed + 1)
        (envelopes,) = reply.results
        until = blocks.stop * BLOCK - 1
        try:
            return changes_of(query, _items(envelopes), position=reply.position, after=after, until=until)
        except msgspec.MsgspecError as error:
            raise Unavailable("The change feed cannot be read") from error

    def _wanted(self, query: ChangeQuery, after: int) -> range:
        """Return the blocks that are looked through: where all items fit, no more than the answer may have."""
        first = block_at(after + 1)
        is_whole = not query.types and query.account is query.group is None
        return range(first, first + (query.limit // BLOCK + 2 if is_whole else self._limits.change_blocks))

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {"full": keys.documents("changes", "full")}


def _trimmed(reply: Reply) -> int:
    (seen,) = reply.seen
    return _decode_trimmed(seen.checkpoint).trimmed


def _items(envelopes: Sequence[bytes | None]) -> Iterator[ChangeItem]:
    for envelope in envelopes:
        if envelope is not None:
            yield from _decode(unseal(envelope).body).unpacked()
