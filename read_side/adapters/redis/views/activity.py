"""What happened to accounts, in Redis."""

from collections.abc import Mapping
from uuid import UUID

from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.transport.consistent_read import Attempt, ConsistentRead
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
            scan = RangeScan(ACTIVITY, (UUID(account_id).bytes,))
        except ValueError:
            return Page(await self.position(), None)
        return await self._consistently(lambda: self._of(scan, limit, after, variant))

    async def _of(self, scan: RangeScan, limit: int, after: bytes | None, variant: Variant) -> Attempt[Page]:
        read, most = ConsistentRead(self._ask_for_list), limit + 1
        results = (await read.ask(reads=scan.ranges(after=after, limit=most, descending=True))).results
        places = scan.chunk(results, limit=most, descending=True).places
        if not places:
            return Attempt(Page(read.position, None if after is None else ()), consistent=True)
        fields = tuple(b"%d" % int.from_bytes(place, "big") for place in places[:limit])
        (envelopes,) = (await read.ask(reads=(Fields(variant, fields),))).results
        documents = tuple(unseal(envelope) for envelope in envelopes if envelope is not None)
        end = places[limit - 1] if len(places) > limit else None
        return Attempt(Page(read.position, documents, end), consistent=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            ACTIVITY: keys.sorted_entries(ACTIVITY),
            "full": keys.documents(ACTIVITY, "full"),
            "public": keys.documents(ACTIVITY, "public"),
        }
