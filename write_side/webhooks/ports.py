"""What the sending of webhooks needs of the world."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from write_side.domain.references import GroupRef
from write_side.webhooks.webhook import Webhook


class WebhookNotFound(Exception):
    """There is no webhook of this name."""


class WebhookExists(Exception):
    """Another webhook has this name."""


class WebhookChanged(Exception):
    """The webhook was changed or removed since it was read."""


class WebhookSession(Protocol):
    """All webhooks there are. Everything can raise `Unavailable`: then the session is over."""

    async def all(self) -> Sequence[Webhook]:
        """Return all, by their names."""

    async def get(self, name: str) -> Webhook:
        """:raises WebhookNotFound: there is none."""

    async def add(self, webhook: Webhook) -> None:
        """:raises WebhookExists: its name is taken."""

    async def save(self, webhook: Webhook) -> Webhook:
        """
        Store a change of what was read; return it as it can be changed next.

        :raises WebhookChanged: others have changed it meanwhile: it has to be read again.
        """

    async def remove(self, name: str) -> None:
        """:raises WebhookNotFound: there is none."""

    async def group_id(self, ref: GroupRef) -> UUID:
        """
        Return the id of a group; whether a group has an id that it is named by is not asked.

        :raises GroupNotFound: none has the slug.
        """

    async def has_account(self, id: UUID) -> bool:
        """Return whether there is such an account; one that there was has been erased."""


class FeedChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    A change as the feed has it for a webhook.

    :param id: of the event.
    :param about: the account, or the group, whose changes come in order.
    :param account: that it names, unless it says that the account was erased.
    :param body: the CloudEvent in JSON.
    """

    id: UUID
    position: int
    about: UUID
    account: UUID | None
    body: bytes


class FeedPage(msgspec.Struct, frozen=True):
    """Changes in order, and the position up to which was looked for them."""

    changes: Sequence[FeedChange]
    position: int


class HistoryTrimmed(Exception):
    """What a webhook would get next is not kept any more."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the feed begins at position {oldest}")
        self.oldest = oldest


class ChangeFeed(Protocol):
    """The change feed as the read API gives it to readers."""

    async def read(self, webhook: Webhook, *, limit: int, wait: float) -> FeedPage:
        """
        Return the next changes that a reader with the scope of a webhook gets by its filter, behind its position.

        :param wait: seconds to wait for one, if there is none yet.
        :raises Unavailable: it cannot be read now.
        :raises HistoryTrimmed: some may be gone.
        """


class ReceiverFailed(Exception):
    """
    A receiver has not taken what was sent; the text says why, and nothing that it answered but the status.

    :ivar retry_after: seconds for which it asks not to be sent anything; at most 0 if it does not.
    """

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class ReceiverAnswer(NamedTuple):
    """What a receiver answers: a status, and its `Retry-After`."""

    status: int
    retry_after: str | None = None


class Receivers(Protocol):
    """The servers behind the URLs of webhooks."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """
        Send a body once; return the answer.

        :raises ReceiverFailed: there is none, or none in time.
        """
