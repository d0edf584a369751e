"""`muster deliveries`: what waits to be delivered, and what was given up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import msgspec
from cyclopts import App

from shared.cli.exit_codes import DONE, FAILED, CommandFailed
from shared.cli.options import Json
from shared.cli.output import print_encoded, print_line, print_result, print_table
from shared.errors import Unavailable
from shared.settings import Settings
from shared.wording import counted
from write_side.adapters.postgres.deliveries import PostgresDeliveries
from write_side.ports import Delivery, DeliverySession

T = TypeVar("T")

deliveries = App(name="deliveries", help_format="plaintext")


class DeliveryList(msgspec.Struct):
    """What `muster deliveries list --json` prints."""

    waiting: int
    given_up: int
    deliveries: list[Delivery]


@deliveries.command(name="list")
def list_deliveries(*, limit: int = 100, json: Json = False) -> None:
    """
    Show what waits to be delivered and what was given up, the latter first.

    :param limit: how many at most.
    """

    async def ask(session: DeliverySession) -> DeliveryList:
        counts = await session.counts()
        return DeliveryList(counts.waiting, counts.given_up, list(await session.all(limit=limit)))

    found = _asked(ask)
    if json:
        print_encoded(found)
        return
    print_line(f"{found.waiting} waiting, {found.given_up} given up")
    if found.deliveries:
        columns = ("id", "reaction", "account", "position", "attempts", "state", "last error")
        print_table(columns, map(_cells, found.deliveries))


@deliveries.command
def retry(id: UUID | None = None, /, *, all: bool = False, json: Json = False) -> int:
    """
    Try a delivery again, now and as if it never had been.

    :param id: its id, as `muster deliveries list` shows it.
    :param all: every one that was given up.
    """
    if (id is None) != all:
        raise CommandFailed("name one by its id, or give --all")
    found = _asked(lambda session: session.retry(None if id is None else [id], now=datetime.now(UTC)))
    text = f"{counted(found, 'delivery', 'deliveries')} will be tried again"
    print_result({"retried": found}, text, as_json=json)
    return DONE if found or all else FAILED


def _asked(question: Callable[[DeliverySession], Awaitable[T]]) -> T:
    """:raises CommandFailed: the database does not answer."""
    settings = Settings.here()

    async def ask() -> T:
        async with PostgresDeliveries(settings.required("database_url")).connect() as session:
            return await question(session)

    try:
        return asyncio.run(ask())
    except Unavailable as error:
        raise CommandFailed(f"PostgreSQL does not answer ({type(error).__name__}): `muster doctor` says more") from None


def _cells(each: Delivery) -> tuple[str, ...]:
    state = f"due {each.due_at:%Y-%m-%d %H:%M:%S}Z"
    if each.given_up_at:
        state = f"given up {each.given_up_at:%Y-%m-%d %H:%M:%S}Z"
    about = (str(each.id), each.reaction, str(each.account_id), str(each.position), str(each.attempts))
    return (*about, state, each.error or "")
