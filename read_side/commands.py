"""What the read side asks of the write API, on behalf of a person who is signed in at its page: the port."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from shared.problems import FieldError


class SentCommand(NamedTuple):
    """
    A command as it is sent.

    :param key: under which it takes effect once, however often it is sent.
    :param if_match: the version it is meant for.
    """

    name: str
    fields: Mapping[str, Any]
    key: str
    if_match: int | None = None


class Done(NamedTuple):
    """What has become of a command that took effect."""

    version: int
    position: int


class CommandRefused(Exception):
    """A command took no effect; the write API says why."""

    def __init__(
        self, problem: str, *, status: int, title: str, detail: str, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail)
        self.problem, self.status, self.title, self.detail, self.errors = problem, status, title, detail, errors


class CommandSender(Protocol):
    """The way to the write API."""

    async def send(self, command: SentCommand, *, credential: str | None, request_id: str) -> Done:
        """
        Have a command carried out.

        :param credential: the token, or the session's name, of the person; None where nobody signs in.
        :raises CommandRefused: it is not.
        :raises Unavailable: it is not known whether it was; to send it again under its key does no harm.
        """
