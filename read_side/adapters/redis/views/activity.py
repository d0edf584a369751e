"""What happened to accounts, in Redis."""

from collections.abc import Mapping
from uuid import UUID

from read_side.adapters.redis.lists.range_scan import Course
from read_side.adapters.redis.transport.consistent_read import Journey, Outcome, settled
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
            course = Course(ACTIVITY, (UUID(account_id).bytes,))
        except ValueError:
            return Page(await self.position(), None)
        return await settled(lambda: self._of(course, limit, after, variant))

    async def _of(self, course: Course, limit: int, after: bytes | None, variant: Variant) -> Outcome[Page]:
        journey, most = Journey(self._ask_for_list), limit + 1
        replies = (await journey.ask(reads=course.ranges(after=after, limit=most, descending=True))).replies
        places = course.stretch(replies, limit=most, descending=True).places
        if not places:
            return Outcome(Page(journey.position, None if after is None else ()), settled=True)
        fields = tuple(b"%d" % int.from_bytes(place, "big") for place in places[:limit])
        (envelopes,) = (await journey.ask(reads=(Fields(variant, fields),))).replies
        documents = tuple(unseal(envelope) for envelope in envelopes if envelope is not None)
        end = places[limit - 1] if len(places) > limit else None
        return Outcome(Page(journey.position, documents, end), settled=True)

    @staticmethod
    def names(keys: GenerationKeys) -> Mapping[str, str]:
        return {
            ACTIVITY: keys.listing(ACTIVITY),
            "full": keys.documents(ACTIVITY, "full"),
            "public": keys.documents(ACTIVITY, "public"),
        }
