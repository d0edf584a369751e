"""Translates what PostgreSQL, its driver and SQLAlchemy raise into what the ports promise."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError

from shared.errors import Unavailable, Unsound
from shared.postgres.connection import AWAY
from write_side.domain.errors import (
    AccountExists,
    Contention,
    EmailTaken,
    ExternalIdTaken,
    GroupExists,
    HandleTaken,
    SlugTaken,
    StaleAggregate,
)

_BY_CONSTRAINT: dict[str, type[Exception]] = {
    "accounts_email_is_unique": EmailTaken,
    "accounts_handle_is_unique": HandleTaken,
    "accounts_external_id_is_unique": ExternalIdTaken,
    "accounts_pkey": AccountExists,
    "groups_slug_is_unique": SlugTaken,
    "groups_external_id_is_unique": ExternalIdTaken,
    "groups_pkey": GroupExists,
    "memberships_are_unique": StaleAggregate,  # the same member was added since we looked
    "event_log_versions_are_unique": StaleAggregate,
}
_GIVEN_UP = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)
_NOT_MIGRATED = (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable)


@contextmanager
def translated() -> Iterator[None]:
    """Turn a failure before COMMIT into what the ports promise; anything else is a defect and stays as it is."""
    try:
        yield
    except StaleDataError as error:
        raise StaleAggregate(str(error)) from error
    except PoolExhausted as error:
        raise Unavailable("all connections to the database are busy") from error
    except Unsound as error:
        raise Unavailable(str(error)) from error
    except (DBAPIError, psycopg.Error) as error:
        raise _translation(error) from error


def refusal_by(constraint: str) -> Exception | None:
    """Return what it means that a row would break a constraint of this name."""
    refusal = _BY_CONSTRAINT.get(constraint)
    return refusal() if refusal else None


def _translation(error: DBAPIError | psycopg.Error) -> Exception:
    cause = _cause(error)
    if isinstance(cause, psycopg.errors.IntegrityError):
        return refusal_by(cause.diag.constraint_name or "") or error
    if isinstance(cause, _GIVEN_UP):
        return Contention(type(cause).__name__)
    if isinstance(cause, AWAY):
        return Unavailable(type(cause).__name__)
    if isinstance(cause, _NOT_MIGRATED):
        return Unavailable("the database lacks what this release writes: run `muster migrate`")
    return error


def _cause(error: DBAPIError | psycopg.Error) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def is_certain(error: DBAPIError | psycopg.Error, *, at_commit: bool = True) -> bool:
    """
    Whether an error is the server's own word that COMMIT does not take effect, and not a lost connection.

    :param at_commit: COMMIT itself failed, and not what was sent in front of it. Then a server that stops may have
        committed; before, only libpq or a pooler that has lost its server leaves it open.
    """
    state = getattr(_cause(error), "sqlstate", None) or ""
    return state[:2] in {"23", "40"} if at_commit else state[:2] not in {"", "08"}
