"""The directory in numbers, in Redis."""

from collections.abc import Mapping

from read_side.adapters.redis.transport.reads import Want
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import Answer
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys

DIRECTORY = b"directory"
"""The one document."""


class RedisStatsViews(RedisViews):
    projection = "stats"

    async def read(self) -> Answer:
        seen = await self._ask(Want("full", DIRECTORY))
        (envelope,) = seen.values
        return Answer(seen.position, None if envelope is None else unseal(envelope))

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {"full": keys.documents("stats", "full")}
