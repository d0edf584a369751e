"""What lists can be asked for: how each filter, sort and limit is written."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from read_side.http.parameters import Malformed, Parse
from shared.read_model.ordering import GROUP_ORDERS, PROFILE_ORDERS, STATUSES
from shared.text import composed, unique_slug, words


def _sorts(orders: Sequence[str]) -> tuple[str, ...]:
    """Each order, and with a hyphen the same descending."""
    return (*orders, *(f"-{order}" for order in orders))


PROFILE_SORTS, GROUP_SORTS = _sorts(PROFILE_ORDERS), _sorts(GROUP_ORDERS)
ANY_STATUS = "any"
STATUS_FILTERS = (*sorted(STATUSES), ANY_STATUS)
DEFAULT_LIMIT, GREATEST_LIMIT = 50, 200
MOST_TAGS, LONGEST_TAG = 10, 64
LONGEST_ROLE = 200
LONGEST_SEARCH, MOST_WORDS, LONGEST_WORD = 200, 10, 60

UUID_PATTERN = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
GROUP_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
"""Of ids and slugs: an id looks like a slug."""

_is_uuid = re.compile(UUID_PATTERN).fullmatch
_is_group = re.compile(GROUP_PATTERN).fullmatch
_is_number = re.compile(r"[0-9]{1,9}").fullmatch


class Sort(NamedTuple):
    """An order of a list; None is the order of the words that match."""

    order: str | None
    descending: bool = False


def account_id(text: str) -> str:
    """An account's id, in lower case."""
    if not _is_uuid(text):
        raise Malformed("must be a UUID")
    return text.lower()


def group(text: str) -> str:
    """The id or the slug of a group, in the form in which they are compared."""
    if not _is_group(text):
        raise Malformed("must be the id or the slug of a group")
    return unique_slug(text)


def statuses(text: str) -> tuple[str, ...]:
    """One status, or all of them."""
    return tuple(sorted(STATUSES)) if text == ANY_STATUS else (_one_of(text, STATUS_FILTERS),)


def tag(text: str) -> str:
    return _text(text, longest=LONGEST_TAG)


def role(text: str) -> str:
    return _text(text, longest=LONGEST_ROLE)


def search(text: str) -> tuple[str, ...]:
    """The words looked for, folded and in the order of their letters; none if the text is blank."""
    if len(text) > LONGEST_SEARCH:
        raise Malformed(f"must be at most {LONGEST_SEARCH} characters long, not {len(text)}")
    found = tuple(sorted(words(text)))
    if text.strip() and not found:
        raise Malformed("must have a letter or a digit in it")
    if len(found) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in found):
        raise Malformed(f"must be at most {MOST_WORDS} words of at most {LONGEST_WORD} characters")
    return found


def sort_among(sorts: Sequence[str]) -> Parse[Sort]:
    """One of these sorts."""

    def sort(text: str) -> Sort:
        return Sort(_one_of(text, sorts).removeprefix("-"), descending=text.startswith("-"))

    return sort


def limit(text: str) -> int:
    """How much of a list is wanted."""
    if not _is_number(text) or not 1 <= int(text) <= GREATEST_LIMIT:
        raise Malformed(f"must be a whole number from 1 to {GREATEST_LIMIT}")
    return int(text)


def _text(text: str, *, longest: int) -> str:
    text = composed(text)
    if not 1 <= len(text) <= longest:
        raise Malformed(f"must be 1 to {longest} characters long, not {len(text)}")
    return text


def _one_of(text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise Malformed(f"must be one of {', '.join(allowed)}")
    return text
