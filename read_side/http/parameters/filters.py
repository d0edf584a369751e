"""What lists can be asked for: how each filter, sort and limit is written, read and described."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from msgspec import Meta

from shared.http.openapi.document import Parameter
from shared.http.parsing import cursors
from shared.http.parsing.cursors import Cursor
from shared.http.parsing.parameters import Malformed, Parameters, Parse, whole_number
from shared.read_model.ordering import STATUSES
from shared.text import PART, composed, folded, terms, unique_slug

T = TypeVar("T")
D = TypeVar("D")

ANY_STATUS = "any"
STATUS_FILTERS = (*sorted(STATUSES), ANY_STATUS)
DEFAULT_LIMIT, GREATEST_LIMIT = 50, 200
MOST_TAGS, LONGEST_TAG = 10, 64
LONGEST_ROLE = 200
LONGEST_SEARCH, MOST_WORDS, LONGEST_WORD = 200, 10, 60

UUID_PATTERN = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
GROUP_PATTERN = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
"""Of ids and slugs: an id looks like a slug."""

_NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"
is_uuid = re.compile(UUID_PATTERN).fullmatch
_is_group = re.compile(GROUP_PATTERN).fullmatch


@dataclass(frozen=True)
class Filter(Generic[T]):
    """
    A parameter of a query: how its text is read, and how it is described.

    :param type: anything msgspec can describe.
    """

    name: str
    parse: Parse[T]
    type: Any
    text: str

    def of(self, parameters: Parameters, default: D) -> T | D:
        """Take it from those of a request."""
        return parameters.one(self.name, self.parse, default)

    @property
    def parameter(self) -> Parameter:
        return Parameter(name=self.name, place="query", type=self.type, text=self.text)


class Sort(NamedTuple):
    """An order of a list; None is the order of the words that match."""

    order: str | None
    descending: bool = False


def account_id(text: str) -> str:
    """An account's id, in lower case."""
    if not is_uuid(text):
        raise Malformed("must be a UUID")
    return text.lower()


def group(text: str) -> str:
    """The id or the slug of a group, in the form in which they are compared; folded, since all that people type is."""
    slug = unique_slug(folded(text))
    if not _is_group(slug):
        raise Malformed("must be the id or the slug of a group")
    return slug


def statuses(text: str) -> tuple[str, ...]:
    """One status, or all of them."""
    return tuple(sorted(STATUSES)) if text == ANY_STATUS else (_one_of(text, STATUS_FILTERS),)


def tag(text: str) -> str:
    return _text(text, longest=LONGEST_TAG)


def role(text: str) -> str:
    return _text(text, longest=LONGEST_ROLE)


def search(text: str) -> tuple[str, ...]:
    """The terms looked for, in the order of their letters; none if the text is blank."""
    if len(text) > LONGEST_SEARCH:
        raise Malformed(f"must be at most {LONGEST_SEARCH} characters long, not {len(text)}")
    found = tuple(sorted(terms(text)))
    if text.strip() and not found:
        raise Malformed("must have a letter or a digit in it")
    parts = PART.join(found).split(PART)
    if len(parts) > MOST_WORDS or any(len(part) > LONGEST_WORD for part in parts):
        raise Malformed(f"must be at most {MOST_WORDS} words of at most {LONGEST_WORD} characters")
    return found


def sorts_of(orders: Sequence[str]) -> Sequence[str]:
    """Each order, and with a hyphen the same descending."""
    return (*orders, *(f"-{order}" for order in orders))


def sort_among(sorts: Sequence[str]) -> Parse[Sort]:
    """One of these sorts."""

    def sort(text: str) -> Sort:
        return Sort(_one_of(text, sorts).removeprefix("-"), descending=text.startswith("-"))

    return sort


def _text(text: str, *, longest: int) -> str:
    text = composed(text)
    if not 1 <= len(text) <= longest:
        raise Malformed(f"must be 1 to {longest} characters long, not {len(text)}")
    return text


def _one_of(text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise Malformed(f"must be one of {', '.join(allowed)}")
    return text


def _choice(choices: Sequence[str], default: str | None = None) -> Any:
    default_too = {} if default is None else {"default": default}
    return Annotated[str, Meta(extra_json_schema={"enum": list(choices), **default_too})]


def _words(longest: int, *examples: str) -> Any:
    return Annotated[
        str, Meta(min_length=1, max_length=longest, pattern=_NO_CONTROL_CHARACTERS, examples=list(examples))
    ]


STATUS = Filter("status", statuses, _choice(STATUS_FILTERS, "active"), "The status of their accounts.")
GROUP = Filter(
    "group",
    group,
    Annotated[str, Meta(pattern=_NO_CONTROL_CHARACTERS, examples=["ssju"], extra_json_schema={"format": "group"})],
    "The id or slug of a group they belong to.",
)
TAG = Filter(
    "tag",
    tag,
    Annotated[
        tuple[_words(LONGEST_TAG, "senate"), ...],  # type: ignore[misc] # made when the program runs
        Meta(max_length=MOST_TAGS),
    ],
    f"A tag that they carry, compared as words are looked for; of several, up to {MOST_TAGS}, they carry all.",
)
ROLE = Filter(
    "role", role, _words(LONGEST_ROLE, "Chairman"), "What they are in the group, compared as words are looked for."
)
LIMIT = Filter(
    "limit",
    whole_number(1, GREATEST_LIMIT),
    Annotated[int, Meta(ge=1, le=GREATEST_LIMIT, extra_json_schema={"default": DEFAULT_LIMIT})],
    "How many at most. A page may have fewer, and not be the last: the last has no next cursor.",
)
CURSOR = Filter(
    "cursor",
    Cursor.parse,
    Annotated[str, Meta(pattern=f"^{cursors.PATTERN}$", extra_json_schema={"format": "cursor"})],
    "`next_cursor` of the page before, with the same filters and sort. Those who were there all the time, with the "
    "same sort key, are met exactly once in a walk.",
)


def search_in(where: str) -> Filter[tuple[str, ...]]:
    """:param where: words are looked for by their beginnings in this."""
    text = (
        f"What to look for: at most {MOST_WORDS} words of at most {LONGEST_WORD} characters, each the beginning of a "
        f"word of {where}, without case and accents. Blank is the same as none, but what is not blank must have a "
        "letter or a digit."
    )
    schema = {"format": "search", "pattern": _NO_CONTROL_CHARACTERS}
    described = Annotated[str, Meta(max_length=LONGEST_SEARCH, examples=["andre car"], extra_json_schema=schema)]
    return Filter("q", search, described, text)


def sort_by(orders: Sequence[str], text: str) -> Filter[Sort]:
    """The order of a list: one of `orders`, or the same descending."""
    sorts = sorts_of(orders)
    text = f"{text}; `-` is for descending. Equal ones are in the order of their ids."
    return Filter("sort", sort_among(sorts), _choice(sorts), text)


BY_WORD = Sort(order=None)
"""The order of lists in which something is looked for, unless another is asked for."""
