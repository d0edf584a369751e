from write_side.domain.account import AccountStatus
from write_side.ports import Delivery
from write_side.reactions.reaction import World


async def notify_of_status(delivery: Delivery, world: World, *, status: AccountStatus) -> bool:
    """Say to the owner of an account which status it has, if it still has that."""
    to = await world.session.recipient(delivery.account_id)
    if to is None or to.status is not status:
        return False
    await world.mailer.send(world.letters.write(str(status), delivery.id, to, at=world.clock.now()))
    return True
