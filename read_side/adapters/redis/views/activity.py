"""What happened to accounts, in Redis."""

from collections.abc import Mapping
from uuid import UUID

from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.transport.consistent_read import Attempt, ConsistentRead, until_consistent
from read_side.adapters.redis.transport.reads import Fields
from read_side.adapters.redis.views.source import RedisViews
from read_side.views import Page, Variant
from shared.read_model.envelope import unseal
from shared.read_model.keys import GenerationKeys

ACTIVITY = "activity"


class RedisActivityViews(RedisViews):
    projection = "activity"

    async def of(self, account_id: str, *, limit: int, after: bytes | None = None, variant: Variant = "full") -> Page:
        try:
            course = RangeScan(ACTIVITY, (UUID(account_id).bytes,))
        except ValueError:
            return Page(await self.position(), None)
        return await until_consistent(lambda: self._of(course, limit, after, variant))

    async def _of(self, course: RangeScan, limit: int, after: bytes | None, variant: Variant) -> Attempt[Page]:
        journey, most = ConsistentRead(self._ask_for_list), limit + 1
        replies = (await journey.ask(reads=course.ranges(after=after, limit=most, descending=True))).replies
        places = course.chunk(replies, limit=most, descending=True).places
        if not places:
            return Attempt(Page(journey.position, None if after is None else ()), consistent=True)
        fields = tuple(b"%d" % int.from_bytes(place, "big") for place in places[:limit])
        (envelopes,) = (await journey.ask(reads=(Fields(variant, fields),))).replies
        documents = tuple(unseal(envelope) for envelope in envelopes if envelope is not None)
        end = places[limit - 1] if len(places) > limit else None
        return Attempt(Page(journey.position, documents, end), consistent=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            ACTIVITY: keys.sorted_entries(ACTIVITY),
            "full": keys.documents(ACTIVITY, "full"),
            "public": keys.documents(ACTIVITY, "public"),
        }
