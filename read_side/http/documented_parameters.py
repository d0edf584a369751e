"""The parameters of the read API as its OpenAPI document describes them."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from read_side.http import cursors, filters
from read_side.http.conditions import GREATEST_POSITION, MIN_POSITION, MIN_POSITION_PARAMETER
from shared.http.openapi import Parameter

_NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"
_FRESHNESS = "Wait until the answer reflects the event log up to this position; 503 if that takes too long."
_Position = Annotated[int, Meta(ge=0, le=GREATEST_POSITION)]

CONDITIONS = (
    Parameter(name=MIN_POSITION, place="header", type=_Position, text=_FRESHNESS),
    Parameter(name=MIN_POSITION_PARAMETER, place="query", type=_Position, text=_FRESHNESS),
    Parameter(
        name="If-None-Match",
        place="header",
        type=str,
        text="Entity tags of what you have, or `*`: if one is that of the answer, it is 304 and has no body.",
    ),
)


def key(name: str, kind: Any) -> Parameter:
    """Describe a key in a path."""
    return Parameter(name=name, place="path", type=kind, text="Percent-encoded in UTF-8.", required=True)


def _query(name: str, kind: Any, text: str) -> Parameter:
    return Parameter(name=name, place="query", type=kind, text=text)


def _choice(choices: Sequence[str], default: str | None = None) -> Any:
    default_too = {} if default is None else {"default": default}
    return Annotated[str, Meta(extra_json_schema={"enum": list(choices), **default_too})]


def _text(longest: int, *examples: str) -> Any:
    return Annotated[
        str, Meta(min_length=1, max_length=longest, pattern=_NO_CONTROL_CHARACTERS, examples=list(examples))
    ]


def _sort(sorts: Sequence[str], text: str) -> Parameter:
    return _query("sort", _choice(sorts), f"{text}; `-` is for descending. Equal ones are in the order of their ids.")


_SEARCH = (
    f"What to look for: at most {filters.MOST_WORDS} words of at most {filters.LONGEST_WORD} characters, each the "
    "beginning of a word of {where}, without case and accents. Blank is the same as none, but what is not blank must "
    "have a letter or a digit."
)
_Search = Annotated[
    str,
    Meta(
        max_length=filters.LONGEST_SEARCH,
        examples=["andre car"],
        extra_json_schema={"format": "search", "pattern": _NO_CONTROL_CHARACTERS},
    ),
]
_PAGE = (
    _query(
        "limit",
        Annotated[int, Meta(ge=1, le=filters.GREATEST_LIMIT, extra_json_schema={"default": filters.DEFAULT_LIMIT})],
        "How many at most. A page may have fewer, and not be the last: the last has no next cursor.",
    ),
    _query(
        "cursor",
        Annotated[str, Meta(pattern=f"^{cursors.PATTERN}$", extra_json_schema={"format": "cursor"})],
        "`next_cursor` of the page before, with the same filters and sort. Those who were there all the time, with the "
        "same sort key, are met exactly once in a walk.",
    ),
)

OF_PROFILES = (
    _query("status", _choice(filters.STATUS_FILTERS, "active"), "The status of their accounts."),
    _query(
        "group",
        Annotated[str, Meta(pattern=f"^{filters.GROUP_PATTERN}$", examples=["ssju"])],
        "The id or slug of a group they belong to.",
    ),
    _query(
        "tag",
        Annotated[
            tuple[_text(filters.LONGEST_TAG, "senate"), ...],  # type: ignore[misc] # made when the program runs
            Meta(max_length=filters.MOST_TAGS),
        ],
        f"A tag that they carry; of several, up to {filters.MOST_TAGS}, they carry all.",
    ),
    _query("q", _Search, _SEARCH.format(where="handle, names, title or tags")),
    _sort(
        filters.PROFILE_SORTS,
        "By what: display_name if nothing is looked for, else by the word that matches and then by display_name. What "
        "is looked for can be sorted in another way if at most 10,000 match",
    ),
    *_PAGE,
)
OF_GROUPS = (
    _query("q", _Search, _SEARCH.format(where="slug or name")),
    _sort(
        filters.GROUP_SORTS, "By what: name if nothing is looked for, else by the word that matches and then by name"
    ),
    *_PAGE,
)
OF_MEMBERS = (_query("role", _text(filters.LONGEST_ROLE, "Chairman"), "What they are in the group, exactly."), *_PAGE)
OF_ACTIVITY = _PAGE
