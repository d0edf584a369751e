"""`POST /profiles/batch-get`: many records by many keys."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.types import Scope
from msgspec import Meta

from read_side.http.conditions import known_tag
from read_side.http.endpoints import Outcomes
from read_side.http.fields import Selection
from read_side.http.problems import UNANSWERED, rejection
from read_side.http.resource import BodyRoute
from read_side.http.responses import CACHE_CONTROL
from read_side.views import Matches, ProfileKeys, ProfileViews, Variant
from shared.auth.principal import PRIVATE
from shared.decoding.objects import decoder
from shared.http.containers import Services
from shared.http.middleware.auth import caller, require_scope
from shared.http.parsing.bodies import body_of, require_media_type
from shared.http.parsing.negotiation import require_acceptable
from shared.http.problems import TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection
from shared.problems import INVALID, NOT_JSON, TOO_LARGE, FieldError
from shared.read_model.envelope import entity_tag
from shared.read_model.records import ProfileRecord, PublicProfileRecord

PATH = "/profiles/batch-get"
MOST_KEYS = 500


class BatchGet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of the profiles wanted: 500 in all at most."""

    ids: Annotated[tuple[UUID, ...], Meta(max_length=MOST_KEYS)] = ()
    handles: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()
    emails: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()
    external_ids: Annotated[tuple[str, ...], Meta(max_length=MOST_KEYS)] = ()

    def keys(self) -> ProfileKeys:
        """
        Return them as the views know them.

        :raises Rejection: 422, there are too many.
        """
        if (count := sum(map(len, msgspec.structs.astuple(self)))) > MOST_KEYS:
            error = FieldError("", f"must be at most {MOST_KEYS} keys in all, not {count}")
            raise Rejection(INVALID, "Not valid: too many keys", errors=[error])
        return ProfileKeys(
            ids=tuple(map(str, self.ids)), handles=self.handles, emails=self.emails, external_ids=self.external_ids
        )


class FoundAndMissing(msgspec.Struct, frozen=True):
    """Records found, each person once, and the keys that no profile has."""

    found: tuple[ProfileRecord, ...]
    missing: ProfileKeys


_outcomes = Outcomes(PATH)
_decode = decoder(BatchGet)
_encode = msgspec.json.Encoder().encode


@post(PATH, status_code=200)
async def batch_get(request: Request[Any, Any, Any], services: Services) -> Response[bytes]:
    require_media_type(request.scope, "application/json")
    require_acceptable(request.scope, "application/json")
    variant = _variant(request.scope)
    minimum, selection = BATCH_GET.fields.wanted(request.scope, variant)
    keys = _decode(await body_of(request)).keys()
    if keys.emails or keys.external_ids:
        require_scope(request.scope, PRIVATE)
    views: ProfileViews = await services.aget_abstract(ProfileViews)
    try:
        batch = await views.freshness.reach(minimum, lambda: views.by_keys(keys, variant=variant))
    except UNANSWERED as error:
        raise rejection(error) from error
    return _answer(batch, selection, request.scope)


def _variant(scope: Scope) -> Variant:
    return "full" if PRIVATE in caller(scope).scopes else "public"


def _answer(batch: Matches, selection: Selection | None, scope: Scope) -> Response[bytes]:
    if selection is not None:
        batch = batch._replace(found=tuple(map(selection.cut, batch.found)), tags=())
    missing = _encode(batch.missing)
    body = b'{"found":[%b],"missing":%b}' % (b",".join(batch.found), missing)
    etag = entity_tag(b"".join((*batch.tags, missing)) if batch.tags else body)
    known = known_tag(scope, etag)
    headers = {"Muster-Position": str(batch.position), "ETag": known or etag, "Cache-Control": CACHE_CONTROL}
    headers["Vary"] = "accept-encoding"
    _count(batch, is_news=not known)
    if known:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _count(batch: Matches, *, is_news: bool) -> None:
    (_outcomes.hits if is_news else _outcomes.unchanged).inc(len(batch.found))
    _outcomes.misses.inc(sum(map(len, msgspec.structs.astuple(batch.missing))))


BATCH_GET = BodyRoute(
    name="batch_get_profiles",
    path=PATH,
    summary="Get up to 500 profiles by any keys",
    description="Each person found is there once, in the order asked for; keys that no one has are under "
    "`missing`. It reads like a GET, If-None-Match included; it is a POST because an address cannot hold so many keys.",
    handler=batch_get,
    body=BatchGet,
    answer=FoundAndMissing,
    public=PublicProfileRecord,
    problems=(NOT_JSON, TOO_SLOW, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE),
)
