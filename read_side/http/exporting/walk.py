"""Everyone and every group, read page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from read_side.http.parameters.filters import GREATEST_LIMIT
from read_side.http.problems import UNANSWERED
from read_side.views import GroupQuery, Page, ProfileQuery
from shared.read_model.ordering import STATUSES
from shared.runtime.retry import RetryPolicy

EVERYONE = ProfileQuery(statuses=tuple(sorted(STATUSES)), order="created_at", limit=GREATEST_LIMIT)
EVERY_GROUP = GroupQuery(order="created_at", limit=GREATEST_LIMIT)

Q = TypeVar("Q", GroupQuery, ProfileQuery)
T = TypeVar("T")


class Walk:
    """
    Asks views again while they do not answer.

    :param patience: for so many seconds; then it raises what they raise.
    """

    def __init__(self, *, patience: float) -> None:
        self._again = RetryPolicy(first=0.1, longest=2.0, within=patience)

    async def ask(self, question: Callable[..., Awaitable[T]], *arguments: object) -> T:
        return await self._again.call(partial(question, *arguments), on=UNANSWERED)

    async def pages(self, find: Callable[[Q], Awaitable[Page]], query: Q) -> AsyncIterator[Sequence[bytes]]:
        """Yield the documents of each page, to the end of the list."""
        while True:
            page = await self.ask(find, query)
            yield page.documents or ()
            if page.after is None:
                return
            query = msgspec.structs.replace(query, after=page.after)
