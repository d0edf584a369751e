"""
How a page is found: along a list that is in the order asked for, or by putting a small one into order.

The index by word is in the order of words only, the lists of facets are in every other.
"""

from collections.abc import Sequence
from contextlib import suppress

from read_side.adapters.redis.lists.gather import MOST_SORTED, TooManyToSort, gather
from read_side.adapters.redis.lists.query import ListQuery, cannot_be
from read_side.adapters.redis.lists.range_scan import RangeScan
from read_side.adapters.redis.lists.scan import Found, Scan
from read_side.adapters.redis.transport.consistent_read import ConsistentRead
from read_side.views import QueryTooBroad
from shared.read_model.ordering import EVERYBODY, WORD

MOST_GATHERED = 2500
"""Records of a narrow list that are put into order, rather than looked for along one that is in order…"""

MUCH_NARROWER = 4
"""…and has this many times as many."""

NOTHING = Found((), None)


async def find(journey: ConsistentRead, asked: ListQuery) -> Found:
    """
    Find which places a page shows.

    :raises QueryTooBroad: see `read_side.views.ProfileViews.list`.
    """
    if not asked.statuses or cannot_be(*asked.words):
        return NOTHING
    if asked.key is None:
        return await _by_word(journey, asked)
    if asked.words:
        return await _sorted(journey, asked)
    return await _by_facets(journey, asked)


async def _by_facets(journey: ConsistentRead, asked: ListQuery) -> Found:
    courses = _facets(asked)
    lengths = await _lengths(journey, courses)
    return await _along(journey, asked, courses, lengths, checked=len(courses) > 1)


async def _by_word(journey: ConsistentRead, asked: ListQuery) -> Found:
    """In the order of the words that match: along their index, or from a much narrower list."""
    lead = _word(asked, asked.lead)
    others = [_word(asked, word) for word in asked.words if word != asked.lead]
    others += _facets(asked) if asked.facets else []
    lengths = await _lengths(journey, [lead, *others])
    if not others:
        return await _along(journey, asked, [lead], lengths, checked=False)
    shortest = min(lengths[1:])
    if shortest <= MOST_GATHERED and shortest * MUCH_NARROWER <= lengths[0]:
        with suppress(TooManyToSort):  # it has grown since
            return await gather(journey, asked, others[lengths[1:].index(shortest)])
    return await _along(journey, asked, [lead], lengths[:1], checked=True)


async def _sorted(journey: ConsistentRead, asked: ListQuery) -> Found:
    """People whom words find, in another order than that of the words."""
    words, facets = [_word(asked, word) for word in dict.fromkeys(asked.words)], _facets(asked)
    courses = [*words, *facets] if asked.facets else words
    lengths = await _lengths(journey, courses)
    by_word, by_facet = lengths[: len(words)], lengths[len(words) :]
    if by_facet and min(by_facet) <= min(by_word):
        return await _along(journey, asked, facets, by_facet, checked=True)
    try:
        return await gather(journey, asked, words[by_word.index(min(by_word))])
    except TooManyToSort as error:
        if error.records and len(courses) == 1:
            raise QueryTooBroad(f"More than {MOST_SORTED:,} match") from error
    # So many have the word that those who fit are not far apart. Where they are, pages are short.
    return await _along(journey, asked, facets, by_facet or [0], checked=True)


async def _along(
    journey: ConsistentRead, asked: ListQuery, courses: Sequence[RangeScan], lengths: Sequence[int], *, checked: bool
) -> Found:
    shortest = courses[lengths.index(min(lengths))]
    return await Scan(journey, asked, shortest, checked=checked).found()


async def _lengths(journey: ConsistentRead, courses: Sequence[RangeScan]) -> list[int]:
    """How many entries each has; where there is no choice, nobody is asked."""
    if len(courses) == 1:
        return [0]
    counts = [course.counts() for course in courses]
    replies = iter((await journey.ask(reads=[each for own in counts for each in own])).replies)
    return [sum(next(replies) for _ in own) for own in counts]


def _facets(asked: ListQuery) -> list[RangeScan]:
    return [_range_scan(asked, asked.order, facet) for facet in asked.facets or (EVERYBODY,)]


def _word(asked: ListQuery, word: str) -> RangeScan:
    return _range_scan(asked, WORD, b"")._replace(word=word.encode())


def _range_scan(asked: ListQuery, of: str, facet: bytes) -> RangeScan:
    return RangeScan(of, tuple(facet + status for status in asked.statuses))
