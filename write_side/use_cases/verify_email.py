from shared.clock import Clock
from write_side.domain.account import AccountAlreadyClosed
from write_side.domain.email_token import EmailToken, TokenNotGood
from write_side.domain.errors import AccountNotFound
from write_side.domain.references import AccountRef
from write_side.domain.values import MailedText
from write_side.ports import Outcome, TokenKey, UnitOfWork
from write_side.use_cases.command import Command
from write_side.use_cases.use_case import raises


class VerifyEmail(Command, frozen=True, kw_only=True):
    """Show that mail to an account's address is read, by the token that was sent there; a token is good once."""

    token: MailedText


@raises(AccountAlreadyClosed, TokenNotGood)
async def verify_email(command: VerifyEmail, *, uow: UnitOfWork, clock: Clock, token_key: TokenKey) -> Outcome:
    token = EmailToken.parse(command.token)
    key = await token_key.read()
    async with uow:
        try:
            account = await uow.accounts.get(AccountRef(token.account_id, str(token.account_id)))
        except AccountNotFound:
            raise TokenNotGood from None
        account.verify_email(token, key=key, at=clock.now())
        return await uow.commit(account)
