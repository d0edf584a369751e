"""`muster verify`: what readers get beside the log, and the log beside PostgreSQL's state."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from projector.adapters.postgres.directory import PostgresDirectory
from projector.adapters.redis.store import RedisPlaces
from projector.audit.live import CANNOT_LOOK
from projector.audit.verify.differences import Difference
from projector.audit.verify.following import VerifyLimits
from projector.audit.verify.verification import ReadModelUnstable, Verification, Verified, report
from projector.cli.layout import layouts_at
from projector.cli.names import parts_named, require_known
from projector.projections.registry import layout_of
from projector.services import projections_of
from shared.cli.exit_codes import DONE, FAILED, CommandFailed
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line, print_table
from shared.event_log.adapters.postgres import PostgresEventLog
from shared.event_log.adapters.standby import Standby
from shared.observability import logging as telemetry
from shared.read_model.partitions import Partitions
from shared.runtime.progress import Progress
from shared.settings import Settings
from shared.text import printable
from shared.wording import counted

SHOWN = 20
"""Differences shown to people; `--json` has more."""

LONGEST = 60
"""Characters of a value shown to people."""


def verify(projection: str | None = None, /, *, repair: bool = False, json: Json = False) -> int:
    """
    Compare what readers get with the log, and the log with the database, while everything goes on.

    :param projection: one of them, or a part of one, such as profiles.3; all, if none is named.
    :param repair: write anew what differs in Redis.
    """
    require_known(projection)
    settings = Settings.here()
    telemetry.configure(settings.log_format)
    try:
        verified = asyncio.run(_verify(settings, projection, repair=repair))
    except (*CANNOT_LOOK, ReadModelUnstable) as error:
        raise CommandFailed(f"cannot verify: {error}") from error
    if json:
        print_encoded(report(verified, repair=repair))
    else:
        _show(verified, repair=repair)
    return FAILED if any(each.stands for each in verified) else DONE


async def _verify(settings: Settings, name: str | None, *, repair: bool) -> list[Verified]:
    database_url, redis_url = settings.required("database_url"), settings.required("redis_url")
    layouts = await layouts_at(settings)
    layout = layout_of(projections_of(settings), *map(Partitions, (layouts.live, *layouts.beside)))
    async with aclosing(RedisPlaces(redis_url)) as redis:
        chosen = parts_named(name, [part.label for _, part in layout.parts])
        stores = [redis.store(part, keyspace=keyspace) for keyspace, part in layout.parts if part.label in chosen]
        with Progress(sys.stderr) as progress:
            verification = Verification(
                log=PostgresEventLog.from_settings(settings),
                directory=PostgresDirectory(database_url, standby=Standby.from_settings(settings)),
                progress=progress,
                limits=settings.limits_of(VerifyLimits),
            )
            return await verification.verify_all(stores, repair=repair)


def _show(verified: Sequence[Verified], *, repair: bool) -> None:
    columns = ("projection", "position", "records", "index entries", "rows", "differences", "seconds")
    print_table(columns, map(_cells, verified))
    details = [detail for each in verified for detail in each.details]
    for detail in details[:SHOWN]:
        print_line(_line(detail))
    print_line(_summary(verified, shown=min(len(details), SHOWN), repair=repair))


def _cells(each: Verified) -> list[str]:
    numbers = (each.position, each.documents, each.entries, each.rows, each.differences)
    return [each.projection, *(f"{number:,}" for number in numbers), f"{each.seconds:.1f}"]


def _line(detail: Difference) -> str:
    expected, found = _short(detail.expected), _short(detail.found)
    return f"{detail.projection}: {detail.entity}: {detail.field}: expected {expected}, found {found}"


def _short(value: Any) -> str:
    """A value as JSON, cut where it gets long; nothing in it can steer a terminal."""
    text = printable(msgspec.json.encode(value).decode())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _summary(verified: Sequence[Verified], *, shown: int, repair: bool) -> str:
    differences, stale = sum(each.differences for each in verified), sum(each.stale for each in verified)
    parts = [counted(differences, "difference")]
    if stale:
        parts.append(f"{stale:,} stale, see `muster parked list`")
    if shown < differences:
        parts.append(f"{shown} of them shown")
    if repair:
        parts += _repaired(differences, sum(each.stands for each in verified))
    return ", ".join(parts)


def _repaired(differences: int, left: int) -> Iterator[str]:
    yield f"{differences - left:,} repaired"
    if left:
        yield f"{left:,} left: what differs between the log and the database is not for a repair of Redis to mend"
