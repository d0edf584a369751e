"""What a request says of its command, besides the command."""

from collections.abc import Mapping

from litestar.types import Scope

from shared.http.middleware.auth import caller
from shared.http.requests import header, request_id
from shared.problems import INVALID, FieldError, Refusal
from write_side.execution.invocation import Channel, Invocation
from write_side.execution.messages import CommandMessage
from write_side.ports import Place


class HttpChannel(Channel, frozen=True, kw_only=True):
    """:param route: the path by which commands come."""

    route: str

    def attributes(self, status: int) -> Mapping[str, str | int]:
        return {"http.request.method": "POST", "http.route": self.route, "http.response.status_code": status}


def invocation_of(message: CommandMessage, *, scope: Scope, channel: Channel, place: Place | None = None) -> Invocation:
    """
    Translate what a request, or a line of one, says into an invocation.

    :raises Refusal: 422, a header is not what it may be.
    """
    return Invocation(
        use_case=message.use_case,
        command=message.command,
        principal=caller(scope),
        channel=channel,
        key=message.key,
        expected_version=message.expected_version,
        traceparent=header(scope, b"traceparent"),
        correlation=request_id(scope) or "",
        place=place,
        mail=_mail(header(scope, b"muster-no-mail")),
    )


def _mail(no_mail: str | None) -> bool:
    """:raises Refusal: 422, it is another word."""
    if no_mail not in {None, "true"}:
        raise Refusal(INVALID, "Muster-No-Mail must be true", errors=[FieldError("Muster-No-Mail", "must be true")])
    return no_mail is None
