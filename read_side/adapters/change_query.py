"""What of the change feed answers a query, on every adapter."""

from collections.abc import Iterable, Iterator
from itertools import islice

from read_side.views import ChangeQuery, Changes
from shared.read_model.changes import ChangeItem


def changes_of(query: ChangeQuery, items: Iterable[ChangeItem], *, position: int, after: int, until: int) -> Changes:
    """
    Return the first items behind a position that fit.

    :param until: the position up to which `items` are all that there is.
    """
    end = max(after, min(position, until))
    found = tuple(islice(_fitting(query, items, after=after, end=end), query.limit))
    return Changes(position, found, found[-1].position if len(found) == query.limit else end)


def _fitting(query: ChangeQuery, items: Iterable[ChangeItem], *, after: int, end: int) -> Iterator[ChangeItem]:
    """Give what is not behind the checkpoint: a crash may have left more of the feed than that knows."""
    for item in items:
        if after < item.position <= end and _fits(item, query):
            yield item


def _fits(item: ChangeItem, query: ChangeQuery) -> bool:
    is_of_type = not query.types or item.type in query.types
    return is_of_type and query.account in {None, item.account} and query.group in {None, item.group}
