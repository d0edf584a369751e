"""What a request says about its command, besides the command."""

import re
from datetime import timedelta
from typing import NamedTuple

import msgspec
from litestar.types import Scope
from uuid_utils import uuid7

from shared.http.auth_middleware import caller
from shared.http.problems import Rejection
from shared.http.requests import request_id
from shared.observability.tracing import traceparent
from shared.problems import INVALID, FieldError
from write_side.domain.values import plain
from write_side.ports import CommandContext
from write_side.use_cases import Command, UseCase

_KEY = re.compile(r"[\x21-\x7e]{1,255}").fullmatch
_VERSION = re.compile(r'"([0-9]{1,18})"').fullmatch

_canonical = msgspec.json.Encoder(enc_hook=plain, order="deterministic").encode


class Retention(NamedTuple):
    """How long the outcome of a command answers its idempotency key."""

    requests: timedelta
    streams: timedelta = timedelta(days=30)


def context_of(
    use_case: UseCase, command: Command, *, scope: Scope, key: str | None, if_match: str | None, keep_for: timedelta
) -> CommandContext:
    """
    Put together who asks for what; the span of the command is current.

    :raises Rejection: 422, the key or the expected version is malformed.
    """
    asks = caller(scope)
    return CommandContext(
        command=use_case.name,
        subject=asks.subject,
        token_id=asks.token_id,
        key=_well_formed_key(key) if key is not None else uuid7().hex,
        key_was_sent=key is not None,
        content=_canonical(command),
        keep_for=keep_for,
        correlation=request_id(scope) or "",
        expected_version=_version(if_match),
        traceparent=traceparent(),
    )


def _well_formed_key(key: str) -> str:
    if not _KEY(key):
        raise _invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return key


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    if not (found := _VERSION(if_match)):
        raise _invalid("If-Match", 'must be one version in quotes, such as "3"')
    return int(found[1])


def _invalid(name: str, detail: str) -> Rejection:
    return Rejection(INVALID, f"{name} {detail}", errors=[FieldError(name, detail)])
