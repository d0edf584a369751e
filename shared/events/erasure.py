"""That a person was erased, and what is left then of what happened to them."""

from uuid import UUID

from shared.events.event import Event


class AccountErased(Event, frozen=True, kw_only=True, tag="account-erased"):
    """
    Nothing of the person is kept any more but ids; what the log said of them is `Redacted`.

    :param status: of the account until then, for projections that count.
    :param groups: every group that they ever belonged to, in the order of their ids: a projection that keeps something
        of a membership finds it by them. That a membership ended with the account, its own `member-removed` says.
    :param positions: of the events of the person until then, in order: a projection that keeps something of each event
        finds it by them.
    """

    account_id: UUID
    status: str
    groups: tuple[UUID, ...] = ()
    positions: tuple[int, ...] = ()


class Redacted(Event, frozen=True, kw_only=True, tag="redacted"):
    """
    An event of an erased person: that there was one of this type.

    It never happens; it takes the place of what did. Projections that count still count it; others ignore it.

    :param was: the type of the event, such as `handle-changed`, which the log keeps beside it.
    :param by: the position of the `AccountErased`.
    :param group_id: of events of memberships.
    """

    by: int
    group_id: UUID | None = None
    was: str = ""
