"""What an inbound adapter hands in, and what it gets back."""

from collections.abc import Mapping

import msgspec

from shared.auth.principal import Principal
from write_side.ports import Place
from write_side.use_cases import Command, UseCase


class Channel(msgspec.Struct, frozen=True):
    """
    The way by which a command came.

    :param is_bulk: many come at once, and may be sent again days later: their keys are kept for longer.
    """

    name: str
    is_bulk: bool = False

    def attributes(self, status: int) -> Mapping[str, str | int]:
        """
        Describe the way to the span of a command.

        :param status: 200, or that of the problem.
        """
        return {"muster.channel": self.name, "muster.status": status}


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """
    A command, decoded and checked, and everything that is said about it.

    :param principal: on whose behalf.
    :param key: the idempotency key that was sent, if one was; it belongs to the principal's subject.
    :param expected_version: of the aggregate before the command.
    :param traceparent: of the client's span (W3C Trace Context), as it was sent.
    :param correlation: the id of the request or message, which the events carry.
    :param place: among commands that are carried out at once, and yet take effect in order.
    :param mail: whether people may be written to because of it.
    """

    use_case: UseCase
    command: Command
    principal: Principal
    channel: Channel
    key: str | None = None
    expected_version: int | None = None
    traceparent: str | None = None
    correlation: str = ""
    place: Place | None = None
    mail: bool = True
