"""What a request says of its command, besides the command."""

import re
from collections.abc import Mapping

from litestar.types import Scope

from shared.http.middleware.auth import caller
from shared.http.problems import Rejection
from shared.http.requests import header, request_id
from shared.problems import INVALID, FieldError
from write_side.execution.invocation import Channel, Invocation
from write_side.ports import Place
from write_side.use_cases import Command, UseCase

_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_VERSION = re.compile(r'"([0-9]{1,18})"').fullmatch


class HttpChannel(Channel, frozen=True, kw_only=True):
    """:param route: the path by which commands come."""

    route: str

    def attributes(self, status: int) -> Mapping[str, str | int]:
        return {"http.request.method": "POST", "http.route": self.route, "http.response.status_code": status}


def invocation_of(
    use_case: UseCase,
    command: Command,
    *,
    scope: Scope,
    key: str | None,
    if_match: str | None,
    channel: Channel,
    place: Place | None = None,
) -> Invocation:
    """
    Translate what a request, or a line of one, says into an invocation.

    :raises Rejection: 422, the key or the expected version is malformed.
    """
    return Invocation(
        use_case=use_case,
        command=command,
        principal=caller(scope),
        channel=channel,
        key=_well_formed_key(key),
        expected_version=_version(if_match),
        traceparent=header(scope, b"traceparent"),
        correlation=request_id(scope) or "",
        place=place,
    )


def _well_formed_key(key: str | None) -> str | None:
    if key is not None and not _KEY(key):
        raise _invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return key


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    if not (version := _VERSION(if_match)):
        raise _invalid("If-Match", 'must be one version in quotes, such as "3"')
    return int(version[1])


def _invalid(name: str, detail: str) -> Rejection:
    return Rejection(INVALID, f"{name} {detail}", errors=[FieldError(name, detail)])
