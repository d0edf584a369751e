"""Which changes an event log has for a webhook, and which of them have come."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from shared.event_log import RecordedEvent
from shared.events import Redacted
from tests.support.webhook_receivers import in_order


class WebhookFaults(NamedTuple):
    """Changes that should have come and did not, and those that should not have, or not so."""

    lost: list[str]
    strange: list[str]


def webhook_faults(
    events: Sequence[RecordedEvent], taken: Mapping[UUID, dict], *, besides: Collection[str]
) -> WebhookFaults:
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
    return WebhookFaults(lost, strange)
