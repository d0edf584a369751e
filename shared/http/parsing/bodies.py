"""Bodies in JSON, decoded by msgspec, with every wrong field named."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import islice
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, InternalServerException
from litestar.types import Scope

from shared.http.limits import HttpLimits
from shared.http.parsing.repeated_names import pointer_step, require_distinct_names
from shared.http.problems import MOST_ERRORS, NOT_JSON, TOO_SLOW, UNSUPPORTED_MEDIA_TYPE, Rejection, framework_problem
from shared.http.requests import header
from shared.problems import INVALID, OVERLOADED, FieldError

T = TypeVar("T", bound=msgspec.Struct)
ValueHook = Callable[[type[Any], Any], Any]
Prepare = Callable[[bytes], bytes]

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)")
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?:key` in `)?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEPS = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def require_media_type(scope: Scope, expected: str) -> None:
    """:raises Rejection: 415, the body is said to be something else, or in another character set."""
    media_type, _, parameters = (header(scope, b"content-type") or "").lower().partition(";")
    if (sent := media_type.strip()) != expected:
        raise Rejection(UNSUPPORTED_MEDIA_TYPE, f"The body must be {expected}, not {sent or 'unlabelled'}")
    if not _UTF_8.issuperset(_CHARSET.findall(parameters)):
        raise Rejection(UNSUPPORTED_MEDIA_TYPE, "The body must be in UTF-8")


class ClientGone(Exception):
    """The client has disconnected before the end of its body."""


async def body_chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """
    Yield the body as it comes.

    :raises ClientGone: the client has disconnected.
    :raises Rejection: 413, it is larger than the route allows.
    """
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException as error:  # which Litestar raises when the client disconnects
        if "disconnected" not in error.detail:
            raise
        raise ClientGone from None
    except HTTPException as error:
        raise Rejection(framework_problem(error), error.detail) from None


class BodyReader:
    """Read whole bodies, of which few large ones may be in flight."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._permits = asyncio.Semaphore(limits.large_bodies)

    async def read(self, request: Request[Any, Any, Any]) -> bytes:
        """:raises Rejection: 408, the body does not come to its end in time; 503, too many large ones are in flight."""
        try:
            async with asyncio.timeout(self._limits.silence) as silence:
                return await self._whole(body_chunks(request), silence)
        except TimeoutError:
            limits = self._limits
            detail = f"The body did not come within {limits.body:g} s, or nothing of it for {limits.silence:g} s"
            raise Rejection(TOO_SLOW, detail) from None
        except ClientGone:
            raise Rejection(TOO_SLOW, "The body did not come to its end") from None

    async def _whole(self, chunks: AsyncIterator[bytes], silence: asyncio.Timeout) -> bytes:
        body, time = bytearray(), asyncio.get_running_loop().time
        until = time() + self._limits.body
        async with AsyncExitStack() as permits:
            async for chunk in chunks:
                silence.reschedule(min(time() + self._limits.silence, until))
                if len(body) <= self._limits.large_body < len(body) + len(chunk):
                    self._require_permit()
                    await permits.enter_async_context(self._permits)
                body += chunk
            return bytes(body)

    def _require_permit(self) -> None:
        """:raises Rejection: 503, none is left: waiting would hold what has already come."""
        if self._permits.locked():
            raise Rejection(OVERLOADED, "Too many large bodies come at the same time", headers={"Retry-After": "1"})


async def body_of(request: Request[Any, Any, Any]) -> bytes:
    """Read a whole body by the `BodyReader` of the application."""
    reader: BodyReader = request.app.state.bodies
    return await reader.read(request)


def decoder(
    kind: type[T], *, value_hook: ValueHook | None = None, prepare: Prepare = lambda body: body
) -> Callable[[bytes], T]:
    """
    Make a function that decodes a body, once it is prepared.

    It raises `Rejection`: 400 for what is not JSON or is nested too deeply, 422 with every wrong field
    (`MOST_ERRORS` of them at most), or with every name that stands twice.
    """
    decode = part_decoder(kind, value_hook=value_hook, prepare=prepare)

    def decode_body(body: bytes) -> T:
        decoded = decode(body)
        require_distinct_names(body)
        return decoded

    return decode_body


def part_decoder(
    kind: type[T], *, value_hook: ValueHook | None = None, prepare: Prepare = lambda body: body
) -> Callable[[bytes], T]:
    """Make the same for parts of what `require_distinct_names` looks through as a whole."""
    decode = msgspec.json.Decoder(kind, dec_hook=value_hook).decode

    def decode_part(body: bytes) -> T:
        prepared = prepare(body)
        try:
            return decode(prepared)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _rejection(prepared, kind, value_hook, error) from None

    return decode_part


def fault_of(broken: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Say why bytes are no JSON."""
    return "it is not in UTF-8" if isinstance(broken, UnicodeDecodeError) else str(broken)


def _rejection(body: bytes, kind: type[msgspec.Struct], hook: ValueHook | None, error: Exception) -> Rejection:
    try:
        raw = msgspec.json.decode(body)
    except RecursionError:
        return Rejection(NOT_JSON, "The body is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        return Rejection(NOT_JSON, f"The body is not JSON: {fault_of(broken)}")
    if not isinstance(raw, dict):
        return Rejection(INVALID, "The body must be one JSON object", errors=[FieldError("", "must be an object")])
    errors = list(islice(_wrong_fields(raw, kind, hook), MOST_ERRORS)) or [_field_error("", str(error))]
    named = ", ".join(dict.fromkeys(each.pointer for each in errors))
    return Rejection(INVALID, f"Not valid: {named}", errors=errors)


def _wrong_fields(raw: dict[str, Any], kind: type[msgspec.Struct], hook: ValueHook | None) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        if name not in raw:
            if field.required:
                yield FieldError(pointer_step(name), "is required")
            continue
        try:
            # Through JSON, because `msgspec.convert` does not call the hook for the keys of an object.
            msgspec.json.decode(msgspec.json.encode(raw[name]), type=field.type, dec_hook=hook)
        except msgspec.ValidationError as error:
            yield _field_error(pointer_step(name), str(error))
    for name in raw:
        if name not in fields:
            yield FieldError(pointer_step(name), "is not a field here")


def _field_error(base: str, message: str) -> FieldError:
    match = _PATH.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    steps = "".join(pointer_step(name or index) for name, index in _STEPS.findall(path.replace("[...]", "")))
    return FieldError(base + steps, what)
