"""`muster erase`: erase a person once the caller is sure of whom, and show that nothing is left of them."""

import asyncio
import sys
from http import HTTPStatus
from uuid import UUID

import msgspec

from shared.cli.api_client import READ_API, WRITE_API, ApiRefused, connected
from shared.cli.exit_codes import DONE, FAILED, CommandFailed, WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_result, say
from shared.cli.references import profile_path, uuid_of
from shared.settings import Settings
from shared.text import printable

ANSWER_SECONDS = 30.0


class NotErased(CommandFailed):
    """The caller who was asked did not say yes."""


class _Erased(msgspec.Struct):
    position: int


class _Person(msgspec.Struct):
    """The person as the read API knows them; without a handle where it does not."""

    account_id: UUID
    handle: str = ""
    display_name: str = ""

    def __str__(self) -> str:
        if not self.handle:
            return f"account {self.account_id}, whose name the read API does not know"
        return f"{printable(self.display_name)} (@{printable(self.handle)}), account {self.account_id}"


def erase(account: str, /, *, yes: bool = False, prove: bool = False, json: Json = False) -> int:
    """
    Erase a person for good: there is no way back.

    What --prove looks for are the values that the log had; of a person who was erased before they are not known any
    more, and only what names the id is found.

    :param account: its id, @handle or ext:<external id>.
    :param yes: erase without naming the person and asking first; needed where no terminal can answer.
    :param prove: look everywhere for what is left, also of a person who was erased before.
    """
    _require_reference(account)
    if not (yes or prove):
        _require_terminal()
    settings = Settings.here()
    settings.required("write_url")
    run = _prove if prove else _erase
    return asyncio.run(run(settings, account, yes=yes, as_json=json))


async def _erase(settings: Settings, account: str, *, yes: bool, as_json: bool) -> int:
    person = await _identified(settings, account, is_named=not yes)
    if not yes:
        _require_consent(person)
    position = await _erased(settings, person.account_id)
    done = {"account_id": person.account_id, "position": position}
    print_result(done, f"{person.account_id}, erased at position {position}", as_json=as_json)
    return DONE


async def _prove(settings: Settings, account: str, *, yes: bool, as_json: bool) -> int:
    from projector.cli.erasure_audit import audit, is_erasable, show  # noqa: PLC0415 - to erase takes no driver

    id_ = (await _identified(settings, account)).account_id
    if not yes and await is_erasable(settings, id_):
        _require_terminal()
        _require_consent(await _identified(settings, str(id_), is_named=True))
    report = await audit(settings, id_, erase=lambda id_: _erased(settings, id_))
    if as_json:
        print_encoded({**msgspec.to_builtins(report), "found": report.found, "proven": report.is_proven})
    else:
        show(report)
    return DONE if report.is_proven else FAILED


def _require_terminal() -> None:
    """:raises WrongUsage: there is none to ask, so that the consent has to be given beforehand."""
    if not sys.stdin.isatty():
        raise WrongUsage("say --yes: the person is erased for good, and there is no terminal to ask first")


def _require_consent(person: _Person) -> None:
    """
    Name the person, and ask whether they are to be erased.

    :raises NotErased: the answer is another one than yes.
    """
    say(f"Erase {person}? There is no way back. Write yes to go on:")
    if sys.stdin.readline().strip().lower() != "yes":
        raise NotErased("nothing was erased")


async def _identified(settings: Settings, account: str, *, is_named: bool = False) -> _Person:
    """
    Return whom a reference means; who is named by an id is looked up only for their name.

    :raises ApiFailed: there is none with that handle or external id, or that cannot be found out.
    """
    id_ = uuid_of(account)
    if id_ and not is_named:
        return _Person(id_)
    path = profile_path(account) or ""
    async with connected(READ_API, settings, timeout=ANSWER_SECONDS) as read_api:
        try:
            return await read_api.get(path, _Person)
        except ApiRefused as refusal:
            if id_ and refusal.status == HTTPStatus.NOT_FOUND:  # erased before, or not projected yet
                return _Person(id_)
            raise


def _require_reference(account: str) -> None:
    if profile_path(account) is None:
        raise WrongUsage(f"{account!r} is no account: give its id, @handle or ext:<external id>")


async def _erased(settings: Settings, account_id: UUID) -> int:
    """Erase the account by the write API, like any other command, and return the position of the erasure."""
    body, key = {"account": str(account_id)}, {"Idempotency-Key": f"erase:{account_id}"}
    async with connected(WRITE_API, settings, timeout=ANSWER_SECONDS) as write_api:
        return (await write_api.post("/commands/erase-account", body, _Erased, headers=key)).position
