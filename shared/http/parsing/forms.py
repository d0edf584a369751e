"""Forms as browsers send them: `application/x-www-form-urlencoded`, in UTF-8 (WHATWG URL, section 5.1)."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from shared.http.parsing.bodies import body_of, require_media_type
from shared.http.problems import Rejection
from shared.http.requests import AnyRequest
from shared.problems import INVALID

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_FIELDS = 1_000


class Form:
    """The fields of a form, in the order in which they were sent; line breaks are those of the text."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value.replace("\r\n", "\n"))

    def one(self, name: str) -> str:
        """Return the last value of a field; empty if it was not sent."""
        return self._values.get(name, [""])[-1]

    def many(self, name: str) -> list[str]:
        """Return every value of a field."""
        return self._values.get(name, [])

    def __contains__(self, name: str) -> bool:
        return name in self._values


async def form_of(request: AnyRequest) -> Form:
    """:raises Rejection: the body is no form, or has too many fields."""
    require_media_type(request.scope, MEDIA_TYPE)
    body = (await body_of(request)).decode(errors="replace")
    try:
        return Form(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace"))
    except ValueError:
        raise Rejection(INVALID, f"A form has at most {MOST_FIELDS} fields") from None
