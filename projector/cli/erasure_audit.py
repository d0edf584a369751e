"""The erasure audit on the servers of the settings."""

import asyncio
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from uuid import UUID

import msgspec

from projector.adapters.postgres.traces import PostgresTraces
from projector.adapters.redis.store import RedisPlaces
from projector.adapters.redis.traces import RedisTraces
from projector.audit.erasure.audit import AccountNeverExisted, Erase, ErasureAudit, ErasureLimits
from projector.audit.erasure.report import ErasureReport, SearchedPlace
from projector.audit.erasure.search import fields_in_words
from projector.cli.layout import layouts_at
from projector.projections.registry import PROJECTIONS, layout_of
from projector.store.ports import ReadModel
from shared.cli.api_client import ApiFailed
from shared.cli.exit_codes import CommandFailed
from shared.cli.output import print_line, print_table
from shared.errors import Unavailable, Unsound
from shared.read_model.partitions import Partitions
from shared.redis.client import connect
from shared.redis.failures import reachable
from shared.redis.location import KeyHolders, key_holders
from shared.runtime.progress import Progress
from shared.settings import Settings
from shared.text import printable
from shared.wording import counted

_PARTITION = re.compile(r"\{(\d+)\.\d+\.\d+\}")
"""The hash tag of one of several."""


async def is_erasable(settings: Settings, account_id: UUID) -> bool:
    """Tell whether the account existed and was not erased before."""
    try:
        erased, events = await PostgresTraces(settings.required("database_url")).erasure(account_id)
    except (Unavailable, Unsound) as error:
        raise _not_proven(error) from error
    return erased is None and events > 0


async def audit(settings: Settings, account_id: UUID, *, erase: Erase) -> ErasureReport:
    """:raises CommandFailed: the audit cannot be carried through."""
    try:
        holders = await asyncio.to_thread(_holders, settings)
        report = await _audit_on(_stores(holders), settings, account_id, erase=erase)
        await asyncio.to_thread(_require_same, holders, settings)
    except (AccountNeverExisted, ApiFailed, Unavailable, Unsound) as error:
        raise _not_proven(error) from error
    return report


async def _audit_on(servers: Mapping[str, str], settings: Settings, account_id: UUID, *, erase: Erase) -> ErasureReport:
    progress = Progress(sys.stderr).begin("text", total=None)
    async with AsyncExitStack() as stack:
        redis = RedisPlaces(settings.required("redis_url"))
        stack.push_async_callback(redis.aclose)
        layouts = await layouts_at(settings)
        models = dict(chain.from_iterable(_models(redis, count) for count in (layouts.live, *layouts.beside)))
        stores = {name: await stack.enter_async_context(connect(url)) for name, url in servers.items()}
        audit = ErasureAudit(
            database=PostgresTraces(settings.required("database_url")),
            stores={name: RedisTraces(each) for name, each in stores.items()},
            models=models,
            logs=list(_logs(settings.home)),
            mails=settings.mail_folder,
            erase=erase,
            progress=progress,
            limits=settings.limits_of(ErasureLimits),
        )
        with progress:
            return await audit.run(account_id)


def _models(redis: RedisPlaces, count: int) -> Iterator[tuple[str, ReadModel]]:
    """Give those of a layout of so many partitions, with their names."""
    of = f" of {count}" if count > 1 else ""
    for keyspace, part in layout_of(PROJECTIONS, Partitions(count)).parts:
        yield f"{part.label}{of}", redis.store(part, keyspace=keyspace).model


def show(report: ErasureReport) -> None:
    print_table(("place", "checked", "found", "of"), map(_cells, _shown(report.places)))
    for line in _remarks(report):
        print_line(line)
    verdict = "nothing of the person was found" if report.is_proven else "not proven"
    print_line(f"{report.account_id}, erased at position {report.position}: {verdict}")


def _shown(places: Iterable[SearchedPlace]) -> Iterable[SearchedPlace]:
    """Put the same place of several partitions, in which nothing was found, together."""
    shown: dict[str, SearchedPlace] = {}
    for each in places:
        name = each.place if each.found else _PARTITION.sub(r"{\1.*}", each.place)
        checked = each.checked + (shown[name].checked if name in shown else 0)
        shown[name] = msgspec.structs.replace(each, place=name, checked=checked)
    return shown.values()


def _cells(each: SearchedPlace) -> tuple[str, ...]:
    return printable(each.place), f"{each.checked:,}", f"{each.found:,}", fields_in_words(each.what)


def _holders(settings: Settings) -> Mapping[str, KeyHolders]:
    """
    Return all servers that are to be looked through, by what they are for.

    :raises Unavailable: they cannot be found out.
    """
    urls = {settings.bus_redis_url: "bus", settings.required("redis_url"): "redis"}
    with reachable():
        return {name: key_holders(url) for url, name in reversed(urls.items())}


def _stores(holders: Mapping[str, KeyHolders]) -> Mapping[str, str]:
    """Return their URLs, by what they are called in the report."""
    return {f"{name} {where}".strip(): url for name, found in holders.items() for where, url in found.urls.items()}


def _require_same(holders: Mapping[str, KeyHolders], settings: Settings) -> None:
    """:raises Unavailable: keys may have come to a server that had been looked through, from one that had not."""
    if _holders(settings) != holders:
        raise Unavailable("keys have gone from one node of the cluster to another meanwhile: look again")


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
