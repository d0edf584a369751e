"""People as CSV (RFC 4180), for spreadsheets, and for `muster import --map`."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import msgspec

from read_side.http.exporting.walk import EVERYONE, Walk
from read_side.views import ProfileViews
from shared.read_model.records import ProfileRecord

COLUMNS = (
    *("account_id", "handle", "email", "email_verified", "display_name", "given_name", "family_name", "title", "bio"),
    *("status", "locale", "time_zone", "picture_url", "external_id", "tags", "groups", "links", "attributes"),
    *("created_at", "updated_at"),
)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would carry out; an apostrophe before it makes it text there."""


_decode = msgspec.json.Decoder(ProfileRecord).decode
_encode = msgspec.json.Encoder().encode


async def table(profiles: ProfileViews, walk: Walk) -> AsyncIterator[bytes]:
    """Yield some rows at a time, a header first."""
    yield _written([COLUMNS])
    async for page in walk.pages(profiles.list, EVERYONE):
        yield _written(map(_row, map(_decode, page)))


def _row(person: ProfileRecord) -> Sequence[str]:
    shown = {
        **msgspec.structs.asdict(person),
        "email_verified": str(person.email_verified).lower(),
        "created_at": person.created_at.isoformat(),
        "updated_at": person.updated_at.isoformat(),
        "tags": _list(person.tags),
        "groups": _list([group.slug for group in person.groups]),
        "links": _map(person.links),
        "attributes": _map(person.attributes),
    }
    return [_cell(shown[name]) for name in COLUMNS]


def _list(texts: Sequence[str]) -> str:
    """Write several texts as one: with semicolons, or as JSON where that could be misread."""
    plain = ";".join(texts)
    return _encode(texts).decode() if plain.startswith("[") or any(";" in text for text in texts) else plain


def _map(texts: Mapping[str, str]) -> str:
    return _encode(texts).decode() if texts else ""


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
