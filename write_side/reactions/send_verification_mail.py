from datetime import timedelta

from write_side.domain.account import AccountStatus
from write_side.domain.email_token import EmailToken
from write_side.ports import Delivery, Recipient
from write_side.reactions.reaction import World

SEND_VERIFICATION_MAIL = "send-verification-mail"


async def send_verification_mail(delivery: Delivery, world: World, *, text: str = "verification") -> bool:
    """
    Send a link by which an address is verified, if that is still to be done.

    :param text: which mail it is; `reminder` for the second.
    """
    key, now = await world.token_key.read(), world.clock.now()
    if (to := await unverified(delivery, world)) is None:
        return False
    until = now + timedelta(days=world.letters.valid_days)
    token = EmailToken.issue(to.account_id, to.email, to.email_version, key=key, until=until)
    await world.mailer.send(world.letters.write(text, delivery.id, to, at=now, token=str(token)))
    return True


async def unverified(delivery: Delivery, world: World) -> Recipient | None:
    """Return the account, if its address is the one of the event, and has not been verified yet."""
    found = await world.session.recipient(delivery.account_id)
    if found is None or found.email_verified or found.email_version != delivery.version:
        return None
    return None if found.status is AccountStatus.CLOSED else found
