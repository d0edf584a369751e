"""Commands by HTTP."""

from dataclasses import dataclass

import httpx
import msgspec

from read_side.commands import CommandRefused, Done, SentCommand
from shared.errors import Unavailable
from shared.problems import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSenderLimits:
    """How long the write API may take to answer a form, in seconds."""

    answer: float = 15.0


class _Refused(msgspec.Struct, frozen=True):
    """What is read of problem details (RFC 9457)."""

    type: str
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()


class _Answered(msgspec.Struct, frozen=True):
    version: int
    position: int


class HttpxCommandSender:
    """Sends each command as a request of its own."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        """:param http: a client of the write API."""
        self._http = http

    async def send(self, command: SentCommand, *, credential: str | None, request_id: str) -> Done:
        headers = {"Idempotency-Key": command.key, "Request-Id": request_id}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        if command.if_match is not None:
            headers["If-Match"] = f'"{command.if_match}"'
        try:
            response = await self._http.post(f"/commands/{command.name}", json=command.fields, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"The write API does not answer ({type(error).__name__})") from error
        return _done(response)


def _done(response: httpx.Response) -> Done:
    try:
        if response.is_success:
            return Done(*msgspec.structs.astuple(msgspec.json.decode(response.content, type=_Answered)))
        told = msgspec.json.decode(response.content, type=_Refused)
    except msgspec.DecodeError as error:
        raise Unavailable(f"What answers instead of the write API says {response.status_code}") from error
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(told.detail)
    name = told.type.rpartition("/")[2]
    raise CommandRefused(name, status=response.status_code, title=told.title, detail=told.detail, errors=told.errors)
