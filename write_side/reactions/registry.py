"""All reactions there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from shared.events import AccountClosed, AccountErased, AccountRegistered, AccountSuspended, EmailChanged
from write_side.domain.account import AccountStatus
from write_side.reactions.close_unverified import close_unverified
from write_side.reactions.forget_mails import forget_mails
from write_side.reactions.notify_former_address import notify_former_address
from write_side.reactions.notify_of_status import notify_of_status
from write_side.reactions.reaction import Reaction
from write_side.reactions.send_verification_mail import SEND_VERIFICATION_MAIL, send_verification_mail

_NEW_ADDRESS = (AccountRegistered, EmailChanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionTimes:
    """
    How long an address may stay unverified.

    :param reminder: after which its person is reminded.
    :param closing: after which the account is closed; None for never.
    """

    reminder: timedelta = timedelta(days=3)
    closing: timedelta | None = None


_LETTERS: Sequence[Reaction] = (
    Reaction(name=SEND_VERIFICATION_MAIL, on=_NEW_ADDRESS, carry_out=send_verification_mail),
    Reaction(name="notify-former-address", on=(EmailChanged,), carry_out=notify_former_address),
    Reaction(
        name="notify-of-suspension",
        on=(AccountSuspended,),
        carry_out=partial(notify_of_status, status=AccountStatus.SUSPENDED),
    ),
    Reaction(
        name="notify-of-closing", on=(AccountClosed,), carry_out=partial(notify_of_status, status=AccountStatus.CLOSED)
    ),
)
_REMINDER = "remind-to-verify"
_FORGET = partial(forget_mails, reactions=(*(each.name for each in _LETTERS), _REMINDER))

REACTIONS: Sequence[Reaction] = (
    *_LETTERS,
    Reaction(name="forget-mails", on=(AccountErased,), carry_out=_FORGET, channel="forget", always=True),
)
"""Those that are carried out at once."""


def reactions_at(times: ReactionTimes) -> Sequence[Reaction]:
    """Return all reactions; what is due later has the time that is set when its event is read."""
    return (*REACTIONS, _reminder(times.reminder), _closing(times.closing))


def _reminder(delay: timedelta) -> Reaction:
    remind = partial(send_verification_mail, text="reminder")
    return Reaction(name=_REMINDER, on=_NEW_ADDRESS, carry_out=remind, delay=delay, is_ordered=False)


def _closing(delay: timedelta | None) -> Reaction:
    closing = Reaction(
        name="close-unverified", on=_NEW_ADDRESS, carry_out=close_unverified, channel="command", is_ordered=False
    )
    if delay is None:  # what was scheduled while there was a time for it finds nothing to do
        return replace(closing, on=(), carry_out=_do_nothing)
    return replace(closing, delay=delay)


async def _do_nothing(*_: object) -> bool:
    return False
