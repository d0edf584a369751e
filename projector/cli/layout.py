"""`muster layout`: into how many partitions the read models are divided, and what becomes of that."""

import asyncio
from datetime import datetime
from functools import partial

from projector.adapters.redis.layouts import RedisLayoutRecord
from projector.store.errors import Superseded
from projector.store.layouts import LayoutChange
from shared.cli.exit_codes import DONE, CommandFailed, WrongUsage
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.read_model.layouts import LayoutRefused, Layouts, LayoutsUnreadable
from shared.redis.client import connect
from shared.settings import Settings


def layout(*, rollback: bool = False, drop: bool = False, json: Json = False) -> int:
    """
    Show into how many partitions the read models are divided, and are to be.

    Another number is built beside by projectors that are started with it as MUSTER_PARTITIONS.

    :param rollback: have readers go back to the layout that they used before.
    :param drop: give up the layout beside the one that readers use: that which is kept, or is being built.
    """
    if rollback and drop:
        raise WrongUsage("say --rollback or --drop")
    back = partial(_rolled_back, at=SystemClock().now())
    change = back if rollback else _dropped if drop else None
    try:
        layouts = asyncio.run(_layouts(Settings.here(), change))
    except (LayoutRefused, Unavailable) as error:
        raise CommandFailed(str(error)) from error
    except Superseded as error:
        raise CommandFailed("something else was recorded at the same time: look again") from error
    if json:
        print_encoded(layouts)
    else:
        for line in layouts.lines:
            print_line(line)
    return DONE


async def layouts_at(settings: Settings) -> Layouts:
    """
    Return what is recorded; what the settings say where nothing is, or Redis is away.

    :raises LayoutsUnreadable: another release has recorded it.
    """
    found = None
    try:
        async with connect(settings.required("redis_url")) as client:
            found = await RedisLayoutRecord(client).read()
    except LayoutsUnreadable:
        raise
    except Unavailable:
        pass
    return found or Layouts(live=settings.partitions)


async def _layouts(settings: Settings, change: LayoutChange | None) -> Layouts:
    async with connect(settings.required("redis_url")) as client:
        record = RedisLayoutRecord(client)
        layouts = await (record.change(change) if change else record.read())
    if layouts is None:
        raise CommandFailed("there are no read models yet: `muster project` fills them")
    return layouts


def _rolled_back(now: Layouts | None, *, at: datetime) -> Layouts:
    if now is None or not now.beside:
        raise LayoutRefused("no former layout is kept: start projectors with another MUSTER_PARTITIONS")
    return now.begun(now.beside[0], at=at)


def _dropped(now: Layouts | None) -> Layouts:
    return (now or Layouts(live=1)).dropped()
