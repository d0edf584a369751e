from shared.events import EmailChanged
from write_side.domain.values import EmailAddress
from write_side.ports import Delivery
from write_side.reactions.reaction import World


async def notify_former_address(delivery: Delivery, world: World) -> bool:
    """Say at the former address that the account has another one: its owner may not have asked for that."""
    event = await world.session.event(delivery)
    to = await world.session.recipient(delivery.account_id)
    if to is None or not isinstance(event, EmailChanged):  # of an account that was erased, nothing is left of it
        return False
    former = EmailAddress(event.old)
    await world.mailer.send(world.letters.write("address-changed", delivery.id, to, former, at=world.clock.now()))
    return True
