"""A webhook: a URL to which changes are sent, which of them, and up to where that is done."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec.structs import replace

STATES = ("active", "failing", "paused")

_is_name = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?").fullmatch
_is_url = re.compile(r"https?://[^\s#@\\]{1,2000}").fullmatch


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """
    A webhook, whose changes are new values.

    :param name: by which operators and metrics call it.
    :param types: of events that it gets; all if there are none.
    :param account_id: of which alone it gets changes.
    :param group_id: likewise.
    :param with_values: whether it gets the values of changed fields: its scope is `profiles:read.private`.
    :param position: of the log, up to which everything has been sent.
    :param secret: by which it is signed to it.
    :param former_secret: by which it is signed too, until `former_until`.
    :param failures: one after the other, the first at `failing_since`; until `retry_at` is none.
    :param error: of the last failure, or why there is nothing to send; none while all is well.
    :param paused_at: since when nothing is sent, because of `reason`.
    :param revision: counts its changes.
    """

    id: UUID
    name: str
    url: str
    types: tuple[str, ...] = ()
    account_id: UUID | None = None
    group_id: UUID | None = None
    with_values: bool = False
    position: int
    secret: str
    former_secret: str | None = None
    former_until: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    paused_at: datetime | None = None
    reason: str | None = None
    created_at: datetime
    revision: int = 0

    def __repr__(self) -> str:
        return f"Webhook(name={self.name!r}, position={self.position})"

    @property
    def state(self) -> str:
        """What an operator is to know of it in a word."""
        if self.paused_at:
            return "paused"
        return "failing" if self.error else "active"

    def is_due(self, now: datetime) -> bool:
        return self.paused_at is None and (self.retry_at is None or self.retry_at <= now)

    def secrets(self, now: datetime) -> Sequence[str]:
        """Return the secrets that are good now, the newest first."""
        if self.former_secret and self.former_until and now < self.former_until:
            return (self.secret, self.former_secret)
        return (self.secret,)

    def moved(self, position: int) -> Self:
        """Return it with everything sent up to a position; it does not fail any more."""
        return replace(self._well(), position=position)

    def failed(self, error: str, *, at: datetime, pause: timedelta) -> Self:
        """Return it after one more failure."""
        since = self.failing_since or at
        return replace(self, failures=self.failures + 1, failing_since=since, error=error, retry_at=at + pause)

    def held_up(self, error: str) -> Self:
        """Return it while there is nothing to send, through no fault of its receiver."""
        return replace(self, error=error)

    def paused(self, reason: str, *, at: datetime) -> Self:
        return replace(self, paused_at=self.paused_at or at, reason=reason, retry_at=None)

    def resumed(self) -> Self:
        """Return it so that it goes on, at once, where it stopped."""
        return replace(self._well(), paused_at=None, reason=None)

    def replayed(self, position: int) -> Self:
        """Return it so that it begins again with a position."""
        return replace(self._well(), position=max(0, position - 1))

    def rotated(self, secret: str, *, until: datetime) -> Self:
        """Return it with another secret; the present one stays good until then."""
        return replace(self, secret=secret, former_secret=self.secret, former_until=until)

    def _well(self) -> Self:
        return replace(self, failures=0, failing_since=None, retry_at=None, error=None)


def webhook_name(text: str) -> str:
    """:raises ValueError: it is none."""
    if not _is_name(text):
        raise ValueError("a name has 1 to 64 of a-z 0-9 . _ -, a letter or digit first and last")
    return text


def _is_host(name: str) -> bool:
    return all(0 < len(label) < 64 for label in name.removesuffix(".").split("."))  # noqa: PLR2004 - as DNS has it


def webhook_url(text: str) -> str:
    """:raises ValueError: it is no URL that changes can be sent to."""
    try:
        parts = urlsplit(text)
        is_good = bool(_is_url(text)) and text.isascii() and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError("write https://host/path, without a login and without #, a name beyond ASCII as xn--…")
    return text
