from shared.auth.principal import COMMANDS, Principal
from write_side.domain.references import AccountRef
from write_side.domain.values import Note
from write_side.execution.invocation import Channel, Invocation
from write_side.ports import Delivery
from write_side.reactions.reaction import World, delivery_id
from write_side.reactions.send_verification_mail import SEND_VERIFICATION_MAIL, unverified
from write_side.use_cases import USE_CASES
from write_side.use_cases.close_account import CloseAccount

REACTOR = Principal("muster-react", frozenset({COMMANDS}), is_limited=False)
"""The actor of commands that time has brought about."""

_CHANNEL = Channel("reaction")
_USE_CASE = next(each for each in USE_CASES if each.command is CloseAccount)
_REASON = Note("the e-mail address was not verified in time")


async def close_unverified(delivery: Delivery, world: World) -> bool:
    """
    Close an account whose address is still unverified; one that is verified meanwhile is looked at again.

    It stays if its person was not asked by now: the mail waits, or was given up.
    """
    was_asked = not await world.session.has(delivery_id(delivery.event_id, SEND_VERIFICATION_MAIL))
    found = await unverified(delivery, world)
    if found is None or not was_asked:
        return False
    account = AccountRef(found.account_id, str(found.account_id))
    invocation = Invocation(
        use_case=_USE_CASE,
        command=CloseAccount(account=account, reason=_REASON),
        principal=REACTOR,
        channel=_CHANNEL,
        key=str(delivery.id),
        expected_version=found.version,
        correlation=str(delivery.id),
    )
    await world.executor.execute(invocation)
    return True
