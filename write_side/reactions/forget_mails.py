from collections.abc import Sequence

from write_side.ports import Delivery
from write_side.reactions.reaction import World, delivery_id


async def forget_mails(delivery: Delivery, world: World, *, reactions: Sequence[str]) -> bool:
    """
    Forget what was written to a person who was erased, where that is kept here, and what was still to be.

    :param reactions: the names of all that write mails: the ids of mails are made of them.
    """
    events = await world.session.event_ids(delivery.account_id)
    await world.mailer.forget([delivery_id(event_id, name) for event_id in events for name in reactions])
    await world.session.forget(delivery)
    return True
