"""The directory in numbers, in Redis."""

from collections.abc import Mapping

from read_side.adapters.redis.transport.reads import Field
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import Match
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys

DIRECTORY = b"directory"
"""The one document."""


class RedisStatsViews(RedisViews):
    projection = "stats"

    async def read(self) -> Match:
        reply = await self._ask(Field("full", DIRECTORY))
        (envelope,) = reply.values
        return Match(reply.position, None if envelope is None else unseal(envelope))

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {"full": keys.documents("stats", "full")}
