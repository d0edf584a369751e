"""`muster erase --prove`: erase a person, and show that nothing is left of them."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Column, Table

from projector.adapters.postgres.traces import PostgresTraces
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.traces import RedisTraces
from projector.audit.erasure.audit import AccountNeverExisted, ErasureAudit, ErasureLimits
from projector.audit.erasure.report import ErasureReport
from projector.audit.erasure.search import fields_in_words
from projector.projections.registry import PROJECTIONS
from shared.cli.api_client import WRITE_API, ApiFailed, connected
from shared.cli.exit_codes import DONE, FAILED, CommandFailed, WrongUsage
from shared.cli.output import console, print_json
from shared.errors import Unavailable, Unsound
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.runtime.progress import Progress
from shared.settings import Settings
from shared.text import printable

ANSWER_SECONDS = 30.0


class _Erased(msgspec.Struct):
    position: int


def erase(account_id: str, /, *, prove: bool = False, json: bool = False) -> int:
    """
    Erase a person for good, and look everywhere for what may be left.

    What is looked for are the values that the log had; of a person who was erased before, they are not known any more.

    :param account_id: of the account.
    :param prove: to be said: there is no way back.
    :param json: print one JSON document instead of tables.
    """
    try:
        id_ = UUID(account_id)
    except ValueError:
        raise WrongUsage(f"{account_id!r} is no account id: ids are UUIDs, see GET /profiles/by-handle/…") from None
    if not prove:
        raise WrongUsage("say --prove: the person is erased for good, and looked for everywhere afterwards")
    try:
        report = asyncio.run(_audit(Settings.load(os.environ).with_addresses(), id_))
    except (AccountNeverExisted, ApiFailed, Unavailable, Unsound) as error:
        raise CommandFailed(f"not proven: {error}") from error
    if json:
        document = {**msgspec.to_builtins(report), "found": report.found, "proven": report.is_proven}
        print_json(msgspec.json.encode(document))
    else:
        _show(report, console(soft_wrap=True))
    return DONE if report.is_proven else FAILED


async def _audit(settings: Settings, account_id: UUID) -> ErasureReport:
    database_url, redis_url = settings.required("database_url"), settings.required("redis_url")
    settings.required("write_url")
    progress = Progress(sys.stderr).begin("texts", total=None)
    async with connect(redis_url) as client:
        audit = ErasureAudit(
            database=PostgresTraces(database_url),
            store=RedisTraces(client),
            models={each.name: RedisReadModel(client, projection=each, keyspace=HOME) for each in PROJECTIONS},
            logs=list(_logs(settings.home)),
            erase=lambda id_: _erased(settings, id_),
            progress=progress,
            limits=settings.limits_of(ErasureLimits),
        )
        with progress:
            return await audit.run(account_id)


async def _erased(settings: Settings, account_id: UUID) -> int:
    """Erase the account by the write API, like any other command, and return the position of the erasure."""
    body, key = {"account": str(account_id)}, {"Idempotency-Key": f"erase:{account_id}"}
    async with connected(WRITE_API, settings, timeout=ANSWER_SECONDS) as write_api:
        return (await write_api.post("/commands/erase-account", body, _Erased, headers=key)).position


def _logs(home: Path) -> Iterator[Path]:
    """What `muster up` has its processes write; where other logs are kept, Muster does not know."""
    yield from sorted(path for path in (home / "logs").glob("**/*") if path.is_file())


def _show(report: ErasureReport, console: Console) -> None:
    table = Table(Column("place", overflow="fold"), "checked", "found", "of", box=None)
    for each in report.places:
        table.add_row(printable(each.place), f"{each.checked:,}", f"{each.found:,}", fields_in_words(each.what))
    console.print(table)
    for line in _remarks(report):
        console.print(line)
    verdict = "nothing of the person was found" if report.is_proven else "not proven"
    console.print(f"{report.account_id}, erased at position {report.position}: {verdict}")


def _remarks(report: ErasureReport) -> Iterator[str]:
    if report.erased == "before":
        yield "erased before: the values are not known any more, so only what names the id was looked for"
    else:
        yield f"{report.sought} values were looked for"
    for each in report.left_out:
        yield f"left out: {each.values} of {each.field}, {each.why}"
    for generation in report.behind:
        yield f"not there yet: {generation}, see `muster status`"
