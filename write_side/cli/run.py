"""`muster run`: any command from the shell, from the same list of use cases as every other way in."""

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from shared.cli.api_client import WRITE_API, ApiProblem, ApiRefused, connected
from shared.cli.exit_codes import WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_result
from shared.problems import Refusal
from shared.settings import Settings
from write_side.cli.completion import complete_fields
from write_side.cli.fields import fields_of, require_all, written
from write_side.execution.messages import CommandMessage, decode_fields, version_in, well_formed_key
from write_side.ports import Outcome
from write_side.use_cases import USE_CASES, UseCase

STDIN = "-"

run = App(name="run", help_format="plaintext")


def _command(use_case: UseCase) -> Callable[..., None]:
    def carry_out(
        *fields: Annotated[str, Parameter(allow_leading_hyphen=True, completer=complete_fields(use_case))],
        key: str | None = None,
        if_match: str | None = None,
        direct: bool = False,
        json: Json = False,
    ) -> None:
        """
        Carry the command out.

        :param fields: field=value; in lists tags=a,b; in maps links.home=https://…; - for a JSON object from stdin.
        :param key: the idempotency key: with the same key it is carried out once, however often it is called.
        :param if_match: the version that the aggregate must have.
        :param direct: with the database, past the write API.
        """
        try:
            outcome = _outcome(use_case, fields, key=key, if_match=if_match, direct=direct)
        except Refusal as refusal:
            problem = ApiProblem(refusal.problem.type, refusal.detail, refusal.errors)
            raise ApiRefused(problem, status=refusal.problem.status) from refusal
        text = f"{outcome.id}, version {outcome.version}, position {outcome.position}"
        print_result(outcome, text, as_json=json)

    return carry_out


def _outcome(
    use_case: UseCase, words: tuple[str, ...], *, key: str | None, if_match: str | None, direct: bool
) -> Outcome:
    """
    Check the command here, and have it carried out.

    :raises WrongUsage: a field is unknown or missing.
    :raises Refusal: a value is not valid, or the command is refused.
    :raises ApiFailed: the write API refuses it, or does not answer.
    """
    given = _given(use_case, words)
    require_all(use_case, given)
    expected = f'"{if_match}"' if if_match and if_match.isdigit() else if_match
    body = msgspec.json.encode(given)
    message = CommandMessage(use_case, decode_fields(use_case, body), well_formed_key(key), version_in(expected))
    settings = Settings.here()
    if direct:
        from write_side.cli.direct import carry_out  # noqa: PLC0415 - nor a driver where the write API is asked

        return asyncio.run(carry_out(message, settings))
    headers = {"Idempotency-Key": key, "If-Match": expected}
    return asyncio.run(_post(use_case, given, settings, {name: each for name, each in headers.items() if each}))


def _given(use_case: UseCase, words: tuple[str, ...]) -> dict[str, Any]:
    if STDIN not in words:
        return written(use_case, words)
    try:
        read = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"stdin is no JSON object: {error}") from error
    return read | written(use_case, [each for each in words if each != STDIN])


async def _post(use_case: UseCase, given: dict[str, Any], settings: Settings, headers: dict[str, str]) -> Outcome:
    async with connected(WRITE_API, settings) as api:
        return await api.post(f"/commands/{use_case.name}", given, Outcome, headers=headers)


def _help(use_case: UseCase) -> str:
    fields = fields_of(use_case).values()
    width = max(len(each.usage) for each in fields)
    lines = [f"{each.usage:{width}}  {each.help}" for each in fields]
    return "\n".join([use_case.summary, "", *lines])


for _use_case in USE_CASES:
    run.command(_command(_use_case), name=_use_case.name, help=_help(_use_case))
