"""All reactions there are."""

from collections.abc import Sequence

from shared.events import AccountClosed, AccountRegistered, AccountSuspended, EmailChanged
from write_side.reactions.notify_former_address import notify_former_address
from write_side.reactions.notify_of_closing import notify_of_closing
from write_side.reactions.notify_of_suspension import notify_of_suspension
from write_side.reactions.reaction import Reaction
from write_side.reactions.send_verification_mail import send_verification_mail

REACTIONS: Sequence[Reaction] = (
    Reaction(name="send-verification-mail", on=(AccountRegistered, EmailChanged), carry_out=send_verification_mail),
    Reaction(name="notify-former-address", on=(EmailChanged,), carry_out=notify_former_address),
    Reaction(name="notify-of-suspension", on=(AccountSuspended,), carry_out=notify_of_suspension),
    Reaction(name="notify-of-closing", on=(AccountClosed,), carry_out=notify_of_closing),
)
