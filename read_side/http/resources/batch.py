"""`POST /profiles/batch-get`: many records by many keys."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.types import HTTPScope, Receive
from msgspec import Meta

from read_side.http.endpoints import Outcomes
from read_side.http.resource import Opened, ReadRoute
from read_side.http.responses import DocumentResponse, listing
from read_side.views import Matches, ProfileKeys, ProfileViews, Variant
from shared.auth.principal import PRIVATE
from shared.decoding.objects import decoder
from shared.http.middleware.auth import require_scope
from shared.http.parsing.bodies import BodyReader, require_media_type
from shared.http.problems import TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.problems import INVALID, NOT_JSON, TOO_LARGE, FieldError
from shared.read_model.records import ProfileRecord, PublicProfileRecord

MOST_KEYS = 500


class BatchGet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of the profiles wanted: 500 in all at most."""

    ids: Annotated[tuple[UUID, ...], Meta(max_length=MOST_KEYS)] = ()
    handles: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()
    emails: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()
    external_ids: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()

    def keys(self) -> ProfileKeys:
        """:raises Rejection: 422, there are too many."""
        if (count := sum(map(len, msgspec.structs.astuple(self)))) > MOST_KEYS:
            error = FieldError("", f"must be at most {MOST_KEYS} keys in all, not {count}")
            raise Rejection(INVALID, "Not valid: too many keys", errors=[error])
        return ProfileKeys(
            ids=tuple(map(str, self.ids)), handles=self.handles, emails=self.emails, external_ids=self.external_ids
        )


class _PlainIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of ids alone, which are not looked at yet."""

    ids: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)]


class FoundAndMissing(msgspec.Struct, frozen=True):
    """Records found, each person once, and the keys that no profile has."""

    found: tuple[ProfileRecord, ...]
    missing: ProfileKeys


_decode = decoder(BatchGet)
_decode_plain_ids = msgspec.json.Decoder(_PlainIds).decode
_DIGITS, _ID = b"0123456789abcdef", 36
_HYPHENS = (8, 13, 18, 23)
_encode = msgspec.json.Encoder().encode


def keys_in(body: bytes) -> ProfileKeys:
    """:raises Refusal: 400 or 422, a body has none."""
    # A batch is mostly one of ids as we write them: to make a UUID of each would take as long as to find their records.
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        ids = _decode_plain_ids(body).ids
        if _are_ids(ids) and body.count(b":") == 1:  # of several colons one may be that of a name said twice
            return ProfileKeys(ids=ids)
    return _decode(body).keys()


def _are_ids(texts: Sequence[str]) -> bool:
    """Whether each is an id as we write them; one by one, a hundred would take as long as to read their records."""
    lines, count = "\n".join(texts).encode(), len(texts)
    marks = {lines[place :: _ID + 1] for place in _HYPHENS}
    return (
        len(lines) == (_ID + 1) * count - 1
        and marks == {b"-" * count}
        and lines[_ID :: _ID + 1] == b"\n" * (count - 1)
        and lines.translate(None, _DIGITS) == (b"----\n" * count)[:-1]
    )


@dataclass(frozen=True, kw_only=True)
class BatchRoute(ReadRoute):
    """Answers with the records that many keys name."""

    def endpoint(self, opened: Opened, port: type[Any], variant: Variant) -> "BatchEndpoint":
        return BatchEndpoint(self, opened[port], bodies=opened[BodyReader], variant=variant)


class BatchEndpoint:
    """The batch route on open views."""

    def __init__(self, route: BatchRoute, views: ProfileViews, *, bodies: BodyReader, variant: Variant) -> None:
        self._fields, self._views, self._bodies, self._variant = route.fields, views, bodies, variant
        self.outcomes = Outcomes(route.path)

    async def answer(self, scope: HTTPScope, _: Sequence[bytes], receive: Receive) -> DocumentResponse:
        require_media_type(scope, "application/json")
        minimum, selection = self._fields.wanted(scope, self._variant)
        keys = keys_in(await self._bodies.read(scope, receive))
        if keys.emails or keys.external_ids:
            require_scope(scope, PRIVATE)
        batch = await self._views.freshness.reach(minimum, partial(self._views.by_keys, keys, variant=self._variant))
        if selection is not None:
            batch = batch._replace(found=tuple(map(selection.cut, batch.found)), tags=())
        self.outcomes.misses.inc(sum(map(len, msgspec.structs.astuple(batch.missing))))
        return _response(batch)


def _response(batch: Matches) -> DocumentResponse:
    end = b'],"missing":%b}' % _encode(batch.missing)
    document = listing(b'{"found":[', batch.found, end, tags=batch.tags, position=batch.position)
    return DocumentResponse(batch.position, document, records=len(batch.found))


BATCH_GET = BatchRoute(
    name="batch_get_profiles",
    path="/profiles/batch-get",
    summary="Get up to 500 profiles by any keys",
    description="Each person found is there once, in the order asked for; keys that no one has are under "
    "`missing`. It reads like a GET, If-None-Match included; it is a POST because an address cannot hold so many keys.",
    method="POST",
    body=BatchGet,
    answer=FoundAndMissing,
    public=PublicProfileRecord,
    problems=(NOT_JSON, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
)
