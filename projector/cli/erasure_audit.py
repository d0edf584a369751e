"""The erasure audit on the servers of the settings."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from rich.table import Table

from projector.adapters.postgres.traces import PostgresTraces
from projector.adapters.redis.read_model import RedisReadModel
from projector.adapters.redis.traces import RedisTraces
from projector.audit.erasure.audit import AccountNeverExisted, Erase, ErasureAudit, ErasureLimits
from projector.audit.erasure.report import ErasureReport
from projector.audit.erasure.search import fields_in_words
from projector.projections.registry import PROJECTIONS
from shared.cli.api_client import ApiFailed
from shared.cli.exit_codes import CommandFailed
from shared.cli.output import print_line, print_table
from shared.errors import Unavailable, Unsound
from shared.read_model.keys import HOME
from shared.redis.client import connect
from shared.runtime.progress import Progress
from shared.settings import Settings
from shared.text import printable
from shared.wording import counted


async def is_erasable(settings: Settings, account_id: UUID) -> bool:
    """Tell whether the account existed and was not erased before."""
    try:
        erased, events = await PostgresTraces(settings.required("database_url")).erasure(account_id)
    except (Unavailable, Unsound) as error:
        raise _not_proven(error) from error
    return erased is None and events > 0


async def audit(settings: Settings, account_id: UUID, *, erase: Erase) -> ErasureReport:
    """:raises CommandFailed: the audit cannot be carried through."""
    database_url, redis_url = settings.required("database_url"), settings.required("redis_url")
    progress = Progress(sys.stderr).begin("text", total=None)
    try:
        async with connect(redis_url) as client, connect(settings.bus_redis_url) as bus:
            stores = {"redis": client} if settings.bus_redis_url == redis_url else {"redis": client, "bus": bus}
            audit = ErasureAudit(
                database=PostgresTraces(database_url),
                stores={name: RedisTraces(each) for name, each in stores.items()},
                models={each.name: RedisReadModel(client, projection=each, keyspace=HOME) for each in PROJECTIONS},
                logs=list(_logs(settings.home)),
                mails=settings.mail_folder,
                erase=erase,
                progress=progress,
                limits=settings.limits_of(ErasureLimits),
            )
            with progress:
                return await audit.run(account_id)
    except (AccountNeverExisted, ApiFailed, Unavailable, Unsound) as error:
        raise _not_proven(error) from error


def show(report: ErasureReport) -> None:
    table = Table("place", "checked", "found", "of", box=None)
    for each in report.places:
        table.add_row(printable(each.place), f"{each.checked:,}", f"{each.found:,}", fields_in_words(each.what))
    print_table(table)
    for line in _remarks(report):
        print_line(line)
    verdict = "nothing of the person was found" if report.is_proven else "not proven"
    print_line(f"{report.account_id}, erased at position {report.position}: {verdict}")


def _logs(home: Path) -> Iterator[Path]:
    """What `muster up` has its processes write; where other logs are kept, Muster does not know."""
    yield from sorted(path for path in (home / "logs").glob("**/*") if path.is_file())


def _remarks(report: ErasureReport) -> Iterator[str]:
    if report.erased == "before":
        yield "erased before: the values are not known any more, so only what names the id was looked for"
    else:
        yield f"{counted(report.sought, 'value was', 'values were')} looked for"
    for each in report.left_out:
        yield f"left out: {counted(each.values, 'value')} of {each.field}, {each.why}"
    for generation in report.behind:
        yield f"not there yet: {generation}, see `muster status`"


def _not_proven(error: Exception) -> CommandFailed:
    return CommandFailed(f"not proven: {error}")
