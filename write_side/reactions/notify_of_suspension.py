from write_side.domain.account import AccountStatus
from write_side.ports import Delivery
from write_side.reactions.reaction import World


async def notify_of_suspension(delivery: Delivery, world: World) -> bool:
    """Say that an account is suspended, unless it is no more."""
    return await notify_of_status(delivery, world, AccountStatus.SUSPENDED)


async def notify_of_status(delivery: Delivery, world: World, status: AccountStatus) -> bool:
    """Write to the owner of an account, if it has this status."""
    to = await world.session.recipient(delivery.account_id)
    if to is None or to.status is not status:
        return False
    await world.mailer.send(world.letters.write(str(status), delivery.id, to, at=world.clock.now()))
    return True
