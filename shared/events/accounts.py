"""What happens to an account."""

from uuid import UUID

from shared.events.event import Event


class AccountRegistered(Event, frozen=True, kw_only=True, tag="account-registered"):
    account_id: UUID
    email: str
    handle: str
    external_id: str | None = None


class HandleChanged(Event, frozen=True, kw_only=True, tag="handle-changed"):
    account_id: UUID
    old: str
    new: str


class EmailChanged(Event, frozen=True, kw_only=True, tag="email-changed"):
    account_id: UUID
    old: str
    new: str


class EmailVerified(Event, frozen=True, kw_only=True, tag="email-verified"):
    """The person has shown that mail to the account's address, which it has had since its last change, is read."""

    account_id: UUID


class AccountSuspended(Event, frozen=True, kw_only=True, tag="account-suspended"):
    account_id: UUID
    reason: str | None = None


class AccountReinstated(Event, frozen=True, kw_only=True, tag="account-reinstated"):
    account_id: UUID
    reason: str | None = None


class AccountClosed(Event, frozen=True, kw_only=True, tag="account-closed"):
    account_id: UUID
    reason: str | None = None
