from write_side.domain.account import AccountStatus
from write_side.ports import Delivery
from write_side.reactions.notify_of_suspension import notify_of_status
from write_side.reactions.reaction import World


async def notify_of_closing(delivery: Delivery, world: World) -> bool:
    """Say that an account is closed."""
    return await notify_of_status(delivery, world, AccountStatus.CLOSED)
