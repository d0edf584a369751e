"""What a command is to the ports: its outcome, its context, and its place among others."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from shared.event_log import Metadata


class Outcome(msgspec.Struct, frozen=True):
    """The outcome of a command: the id and version of its aggregate, and the log's position that reflects it."""

    id: UUID
    version: int
    position: int


class Answer(NamedTuple):
    """An outcome, and whether another request has reached it, or the same one before."""

    outcome: Outcome
    replayed: bool


class Window:
    """
    Commands that are carried out at once, and yet take effect in order.

    None is stored unless all before it are settled or stored with it; and what one of them meets before that is no
    answer, since it did not see their effects.
    """

    def __init__(self, on_its_way: Callable[[], None] = lambda: None) -> None:
        """:param on_its_way: called when some of them are sent to be stored: those behind them may get ready."""
        self.on_its_way = on_its_way
        self.next = 0
        """The first of them that is neither settled nor stored, by its number; they are counted from 0."""


class Place(NamedTuple):
    """The place of a command in its window."""

    window: Window
    number: int


class CommandContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    A command with its idempotency key, and on whose behalf it came.

    :param token_id: of the token with which it was asked for.
    :param key: the caller's idempotency key, or one made for this command alone.
    :param content: the decoded command in a canonical form: what must be equal when the key comes again.
    :param claim: tells what is kept for this request from what is kept for others under its key.
    :param keep_for: how long the outcome answers the key.
    :param expected_version: what the aggregate's version must be before the command.
    :param place: among others that take effect in order.
    :param mail: whether people may be written to because of it.
    """

    command: str
    subject: str
    token_id: str | None = None
    key: str
    key_was_sent: bool
    content: bytes
    claim: int
    keep_for: timedelta
    correlation: str
    expected_version: int | None = None
    traceparent: str | None = None
    place: Place | None = None
    mail: bool = True

    def metadata(self) -> Metadata:
        """Return what the events of the command say of it."""
        return Metadata(self.command, self.subject, self.correlation, self.traceparent, self.token_id, mail=self.mail)
