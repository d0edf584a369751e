"""Which problem it is that keeps a command from being carried out."""

from collections.abc import Sequence
from http import HTTPStatus

from shared.errors import Overloaded, Unavailable
from shared.problems import OVERLOADED, Problem, Refusal
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.email_token import TokenNotGood
from write_side.domain.errors import (
    AccountExists,
    AccountNotFound,
    Contention,
    EmailTaken,
    ExternalIdTaken,
    GroupExists,
    GroupNotFound,
    HandleTaken,
    IdempotencyMismatch,
    MemberNotFound,
    OutcomeUnknown,
    SlugTaken,
    StaleAggregate,
    VersionMismatch,
)
from write_side.use_cases import UseCase

RETRY_AFTER_SECONDS = 1

_TRY_AGAIN = "Send the same request again after Retry-After; with an Idempotency-Key that is safe in every case."
_CONTENTION = Problem("contention", 503, "Too many changes at once", f"Others changed the same. {_TRY_AGAIN}")

STORAGE_UNAVAILABLE = Problem("storage-unavailable", 503, "The database is away", f"Nothing was stored. {_TRY_AGAIN}")
OUTCOME_UNKNOWN = Problem(
    "outcome-unknown",
    503,
    "It is not known whether the command took effect",
    "The connection to the database was lost during COMMIT. Send the same request with the same Idempotency-Key: "
    "it answers what became of it, and does nothing twice. Without a key, read the record first.",
)

PROBLEM_OF: dict[type[Exception], Problem] = {
    EmailTaken: Problem(
        "email-taken", 409, "The e-mail address is taken", "Choose another, or change the account that holds it."
    ),
    HandleTaken: Problem(
        "handle-taken", 409, "The handle is taken", "Choose another, or change the account that holds it."
    ),
    ExternalIdTaken: Problem(
        "external-id-taken",
        409,
        "The external id is taken",
        "Another has it already: refer to an account as ext:<external id>, and to a group by its slug.",
    ),
    SlugTaken: Problem("slug-taken", 409, "The slug is taken", "Choose another, or change the group that holds it."),
    AccountExists: Problem(
        "account-exists",
        409,
        "The account id was used before",
        "Ids are never used again: leave account_id out to get a new one.",
    ),
    GroupExists: Problem(
        "group-exists",
        409,
        "The group id was used before",
        "Ids are never used again, not even those of deleted groups: leave group_id out to get a new one.",
    ),
    AccountAlreadyClosed: Problem(
        "account-closed", 409, "The account is closed", "A closed account takes no further changes; register a new one."
    ),
    TokenNotGood: Problem(
        "token-not-good",
        422,
        "The token is not good",
        "It was used, has expired, or the address has changed since: use the link of the newest mail.",
    ),
    AccountNotFound: Problem(
        "account-not-found",
        404,
        "There is no such account",
        "Refer to an account by its id, @handle or ext:<external id>.",
    ),
    GroupNotFound: Problem("group-not-found", 404, "There is no such group", "Refer to a group by its id or its slug."),
    MemberNotFound: Problem(
        "member-not-found",
        404,
        "The account is not a member of the group",
        "Add it with add-group-member, or look at the members of the group for whom you meant.",
    ),
    VersionMismatch: Problem(
        "version-mismatch",
        412,
        "The version is another one",
        "Read the record again, and send its version in If-Match.",
    ),
    IdempotencyMismatch: Problem(
        "idempotency-mismatch",
        422,
        "The key was used for another command",
        "Use a new Idempotency-Key for each command.",
    ),
    Unavailable: STORAGE_UNAVAILABLE,
    StaleAggregate: _CONTENTION,
    Contention: _CONTENTION,
    Overloaded: OVERLOADED,
    OutcomeUnknown: OUTCOME_UNKNOWN,
}
PROBLEMS = tuple(dict.fromkeys(PROBLEM_OF.values()))
ALWAYS = (VersionMismatch, IdempotencyMismatch, Unavailable, Contention, Overloaded, OutcomeUnknown)
"""What any command may meet, besides the errors of its use case."""

REFUSED = tuple(PROBLEM_OF)
"""What a use case and its ports raise where a command is not carried out; everything else is a defect."""


def problems_of(use_case: UseCase) -> Sequence[Problem]:
    """Return the problems that may keep this command from being carried out."""
    return [problem for kind, problem in PROBLEM_OF.items() if kind in {*use_case.errors, *ALWAYS}]


def refusal_of(error: Exception) -> Refusal:
    """Say to a client why the command was not carried out."""
    problem = next(PROBLEM_OF[kind] for kind in type(error).__mro__ if kind in PROBLEM_OF)
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Refusal(problem, problem.title, retry_after=RETRY_AFTER_SECONDS)
    return Refusal(problem, str(error) or problem.title)
