"""What is said of something that is not done, whichever way it was asked for: problems as data."""

from collections.abc import Iterable

import msgspec

MOST_ERRORS = 100
"""How many errors one answer names: a body has room for a hundred thousand, and each takes more to describe."""


class Problem(msgspec.Struct, frozen=True):
    """A kind of error: its type is `/problems/<name>`, where `hint` can be read."""

    name: str
    status: int
    title: str
    hint: str

    @property
    def type(self) -> str:
        """The identifier that clients see (RFC 9457, section 3.1.1)."""
        return f"/problems/{self.name}"


class FieldError(msgspec.Struct, frozen=True):
    """
    What is wrong with one field.

    `pointer` is a JSON Pointer (RFC 6901) into the body, `?name` in the query, `{name}` in the path or a header's name.
    """

    pointer: str
    detail: str


class Refusal(Exception):
    """
    Something asked for is not done.

    :param errors: which fields are wrong.
    :param retry_after: seconds after which the same may be asked for again.
    """

    def __init__(
        self, problem: Problem, detail: str, *, errors: Iterable[FieldError] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after


NOT_JSON = Problem(
    "not-json",
    400,
    "The body is not JSON",
    "Send one JSON object in UTF-8 (RFC 8259), nested a few levels deep at most.",
)
TOO_LARGE = Problem(
    "too-large", 413, "The request is too large", "A body is at most 1 MiB, a line of a stream of commands 64 KiB."
)
INVALID = Problem(
    "invalid",
    422,
    "Something in the request is not valid",
    "Mend the fields under `errors` and send the request again.",
)
OVERLOADED = Problem(
    "overloaded",
    503,
    "More is asked than can be done",
    "Nothing was done. Send the same request again after Retry-After; with an Idempotency-Key that is safe in every "
    "case. Ask for many people at once by /profiles/batch-get. Operators: more processes.",
)
INTERNAL_ERROR = Problem(
    "internal-error",
    500,
    "Something went wrong in Muster",
    "This is a defect. Report it with the request id; the log says more under the same id.",
)
