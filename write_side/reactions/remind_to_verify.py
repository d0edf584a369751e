from write_side.ports import Delivery
from write_side.reactions.reaction import World
from write_side.reactions.send_verification_mail import ask_to_verify


async def remind_to_verify(delivery: Delivery, world: World) -> bool:
    """Ask once more, if an address is still unverified."""
    return await ask_to_verify(delivery, world, text="reminder")
