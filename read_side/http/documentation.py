"""The read API as its OpenAPI document describes it."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from read_side.http.endpoints import names_in
from read_side.http.examples import EXAMPLES
from read_side.http.lists import ListRoute
from read_side.http.parameters.conditions import CONDITIONS
from read_side.http.parameters.filters import CURSOR, LIMIT
from read_side.http.problems import UNREADABLE
from read_side.http.resource import ReadRoute, Resource, Route, StreamRoute
from read_side.http.resources import RESOURCES
from shared.auth.principal import PRIVATE, READ
from shared.http.openapi import document as openapi
from shared.http.openapi.document import OperationTag, Parameter
from shared.http.problems import NOT_ACCEPTABLE
from shared.problems import INVALID

_ANSWER_HEADERS = {
    "Muster-Position": "How much of the event log the answer reflects.",
    "ETag": "A hash of the body: one record has one, whichever look-up answers.",
    "Cache-Control": "`private, no-cache`: keep it, but ask every time whether it has changed.",
    "Request-Id": "The id of the request.",
}
_PAGE_HEADERS = {**_ANSWER_HEADERS, "Link": 'The next page, as `rel="next"` (RFC 8288), if there is one.'}


def document(resources: Sequence[Resource] = RESOURCES) -> dict[str, Any]:
    """Describe every operation, and how each resource is probed."""
    described = openapi.openapi(
        title="Muster read API",
        description="Read people's profiles, groups and what happened as of a known position in the event log. "
        f"Without the scope `{PRIVATE}` people's e-mail addresses, external ids and attributes are left out, and "
        "no one is looked up by them. A record has all its other fields, unless `fields` asks for some.",
        operations=_operations(resources),
        scope=READ,
        examples=EXAMPLES,
    )
    for fields in {route.fields for each in resources for route in each.routes if not route.is_whole}:
        described["components"]["schemas"][fields.record.__name__]["required"] = list(fields.id)
    return described | {"x-probes": {each.name: each.probe for each in resources}}


def _operations(resources: Sequence[Resource]) -> Iterator[openapi.Operation]:
    for resource in resources:
        tag = OperationTag(resource.name, (inspect.getdoc(resource.port) or "").partition("\n\n")[0].replace("\n", " "))
        for route in resource.routes:
            parameters = (*_keys(route), *route.parameters, *_paging(route))
            scope = PRIVATE if route.is_private else None
            yield _described(route, tag, method=route.method, parameters=parameters, body=route.body, scope=scope)
        for stream in resource.streams:
            yield _described(stream, tag, method="GET", parameters=stream.parameters, scope=stream.scope)


def _described(
    route: Route,
    tag: OperationTag,
    *,
    method: str,
    parameters: Sequence[Parameter] = (),
    body: Any = None,
    scope: str | None,
) -> openapi.Operation:
    return openapi.Operation(
        name=route.name,
        tag=tag,
        method=method,
        path=route.path,
        summary=route.summary,
        description=route.description,
        parameters=(*parameters, *CONDITIONS) if route.is_whole else (*parameters, route.fields.parameter, *CONDITIONS),
        body=body,
        answer=route.answer,
        **_answer(route),
        problems=(*route.problems, NOT_ACCEPTABLE, INVALID, *UNREADABLE),
        scopes=(scope,) if scope else (),
    )


def _answer(route: Route) -> Mapping[str, Any]:
    """What else is said of an answer."""
    if isinstance(route, StreamRoute):
        return {"answer_media_type": route.media_type}
    headers = _PAGE_HEADERS if isinstance(route, ListRoute) else _ANSWER_HEADERS
    return {"answer_headers": headers, "other_answers": {304: "You have this already"}}


def _keys(route: ReadRoute) -> Iterator[Parameter]:
    for name, key in zip(names_in(route.path), route.keys, strict=True):
        yield Parameter(name=name, place="path", type=key.type, text="Percent-encoded in UTF-8.")


def _paging(route: ReadRoute) -> Sequence[Parameter]:
    return (LIMIT.parameter, CURSOR.parameter) if isinstance(route, ListRoute) else ()
