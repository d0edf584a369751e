"""Which mails and changes an event log has for others, and which of them have come."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from shared.event_log import RecordedEvent
from shared.events import (
    AccountClosed,
    AccountErased,
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    Redacted,
)
from tests.faults.webhook_receivers import in_order
from tests.support.mail_servers import Taken
from write_side.reactions.reaction import delivery_id
from write_side.reactions.registry import REACTIONS

_STATUS = (AccountSuspended, AccountReinstated, AccountClosed)


class Faults(NamedTuple):
    """What should have come and did not, and what should not have, or not so."""

    lost: list[str]
    strange: list[str]


def mail_faults(events: Sequence[RecordedEvent], taken: Sequence[Taken], *, besides: Collection[str]) -> Faults:
    """
    Hold the mails that were taken, once nothing waits, against the log.

    A mail may come twice, with one Message-ID. What a change has overtaken need not come.

    :param besides: addresses that may have mail because of what the log has lost.
    """
    came: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for mail in taken:
        came[_id_of(mail)].add((mail.recipients[0], mail.message["Subject"]))
    possible = {delivery_id(each.event_id, reaction.name) for each in events for reaction in REACTIONS}
    lost = [f"{why}: no mail {id_}" for id_, why in _due(events) if id_ not in came]
    strange = [
        f"mail {id_} is of no event"
        for id_, mails in came.items()
        if id_ not in possible and not {to for to, _ in mails} <= set(besides)
    ]
    strange += [f"mail {id_} is more than one: {mails}" for id_, mails in came.items() if len(mails) > 1]
    return Faults(lost, strange)


def webhook_faults(events: Sequence[RecordedEvent], taken: Mapping[UUID, dict], *, besides: Collection[str]) -> Faults:
    """
    Hold the changes that a receiver took, each as it came first, against the log.

    Of those who were erased none but their erasure need come.

    :param besides: ids of accounts that may have changes because of what the log has lost.
    """
    positions = {each.event_id: each.position for each in events}
    due = [each for each in events if not isinstance(each.event, Redacted)]
    lost = [f"no change {each.event_id} of position {each.position}" for each in due if each.event_id not in taken]
    strange = [
        f"change {id_} is of no event: {change}"
        for id_, change in taken.items()
        if positions.get(id_) != change["sequence"] and change["data"].get("account_id") not in besides
    ]
    strange += [] if in_order(list(taken.values())) else ["changes of an account came in another order"]
    return Faults(lost, strange)


def _id_of(mail: Taken) -> UUID:
    return UUID(mail.message["Message-ID"].strip("<>").partition("@")[0])


def _due(events: Iterable[RecordedEvent]) -> Iterator[tuple[UUID, str]]:
    """Yield what must have come, with the reason: to nobody who was erased."""
    lives: defaultdict[UUID, list[RecordedEvent]] = defaultdict(list)
    for each in events:
        if each.aggregate == "account":
            lives[each.aggregate_id].append(each)
    for life in lives.values():
        if not any(isinstance(each.event, AccountErased) for each in life):
            yield from ((delivery_id(each.event_id, name), f"{name} at {each.position}") for each, name in _of(life))


def _of(life: Sequence[RecordedEvent]) -> Iterator[tuple[RecordedEvent, str]]:
    addresses = [each for each in life if isinstance(each.event, AccountRegistered | EmailChanged)]
    yield from ((each, "notify-former-address") for each in addresses[1:])
    *_, last = [None, *(each for each in life if isinstance(each.event, _STATUS))]
    if last is None or not isinstance(last.event, AccountClosed):
        yield addresses[-1], "send-verification-mail"
    if last is not None and isinstance(last.event, AccountClosed):
        yield last, "notify-of-closing"
    if last is not None and isinstance(last.event, AccountSuspended):
        yield last, "notify-of-suspension"
