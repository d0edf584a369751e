"""A person's place in the directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from shared.events import (
    AccountClosed,
    AccountErased,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    EmailVerified,
    HandleChanged,
)
from write_side.domain.aggregate import Aggregate
from write_side.domain.email_token import EmailToken, TokenNotGood
from write_side.domain.values import EmailAddress, ExternalId, Handle


class AccountStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class AccountAlreadyClosed(Exception):
    """A closed account takes no further changes."""

    def __init__(self, account_id: UUID) -> None:
        super().__init__(f"Account {account_id} is closed")


@dataclass(eq=False, kw_only=True)
class Account(Aggregate):
    """A person's place in the directory: one e-mail address, one handle, one status."""

    kind = "account"

    email: EmailAddress
    handle: Handle
    external_id: ExternalId | None = None
    status: AccountStatus = AccountStatus.ACTIVE
    email_version: int = 1
    """The account's version with which it took on the address: what was mailed under another one proves nothing."""
    email_verified: bool = False

    @classmethod
    def register(
        cls, *, id: UUID, email: EmailAddress, handle: Handle, external_id: ExternalId | None, at: datetime
    ) -> Self:
        account = cls(id=id, email=email, handle=handle, external_id=external_id)
        event = AccountRegistered(
            account_id=id, email=str(email), handle=str(handle), external_id=external_id and str(external_id)
        )
        account.record(event, at=at)
        return account

    def change_handle(self, handle: Handle, *, at: datetime) -> None:
        self.require_open()
        if handle == self.handle:
            return
        self.record(HandleChanged(account_id=self.id, old=str(self.handle), new=str(handle)), at=at)
        self.handle = handle

    def change_email(self, email: EmailAddress, *, at: datetime) -> None:
        self.require_open()
        if email == self.email:
            return
        self.record(EmailChanged(account_id=self.id, old=str(self.email), new=str(email)), at=at)
        self.email = email
        self.email_version = self.version
        self.email_verified = False

    def verify_email(self, token: EmailToken, *, key: bytes, at: datetime) -> None:
        """
        Take it that the person reads mail to the address.

        :raises TokenNotGood: the token was used, or does not prove it.
        """
        token.require_sealed(self.email, self.email_version, key=key, at=at)
        self.require_open()
        if self.email_verified:
            raise TokenNotGood
        self.record(EmailVerified(account_id=self.id), at=at)
        self.email_verified = True

    def suspend(self, *, reason: str | None, at: datetime) -> None:
        self.require_open()
        if self.status is AccountStatus.SUSPENDED:
            return
        self.record(AccountSuspended(account_id=self.id, reason=reason), at=at)
        self.status = AccountStatus.SUSPENDED

    def reinstate(self, *, reason: str | None, at: datetime) -> None:
        self.require_open()
        if self.status is AccountStatus.ACTIVE:
            return
        self.record(AccountReinstated(account_id=self.id, reason=reason), at=at)
        self.status = AccountStatus.ACTIVE

    def close(self, *, reason: str | None, at: datetime) -> None:
        if self.status is AccountStatus.CLOSED:
            return
        self.record(AccountClosed(account_id=self.id, reason=reason), at=at)
        self.status = AccountStatus.CLOSED

    def erase(self, *, groups: Sequence[UUID], positions: Sequence[int], at: datetime) -> None:
        """
        Record that the person is erased.

        :param groups: every group that they ever belonged to.
        :param positions: of all events of them in the log.
        """
        event = AccountErased(
            account_id=self.id, status=str(self.status), groups=tuple(groups), positions=tuple(positions)
        )
        self.record(event, at=at)

    def require_open(self) -> None:
        """:raises AccountAlreadyClosed: nothing of the account or its profile may change any more."""
        if self.status is AccountStatus.CLOSED:
            raise AccountAlreadyClosed(self.id)
